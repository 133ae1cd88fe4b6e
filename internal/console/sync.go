package console

import (
	"time"

	"baton/internal/pair"
)

// syncPart is the data sync as both pages show it.
type syncPart struct {
	pair.SyncStatus
	Role    pair.Role
	Percent int64
	Zone    *time.Location
}

func (v *visit) syncPart() syncPart {
	s := v.status.Sync
	return syncPart{SyncStatus: s, Role: v.status.Role, Percent: percent(s.BytesDone, s.BytesTotal), Zone: v.zone}
}

// Running reports whether one is under way.
func (s syncPart) Running() bool { return s.State == pair.SyncRunning }

// Failed reports whether the last one failed.
func (s syncPart) Failed() bool { return s.State == pair.SyncFailed }
