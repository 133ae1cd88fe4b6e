package failover

import (
	"time"

	"baton/internal/console/page"
	"baton/internal/pair"
)

// syncPart is the data sync as both pages show it.
type syncPart struct {
	pair.SyncStatus
	Role    pair.Role
	Percent int64
	Zone    *time.Location
}

func newSyncPart(v *page.Visit) syncPart {
	s := v.Status.Sync
	return syncPart{SyncStatus: s, Role: v.Status.Role, Percent: page.Percent(s.BytesDone, s.BytesTotal), Zone: v.Zone}
}

// Running reports whether one is under way.
func (s syncPart) Running() bool { return s.State == pair.SyncRunning }

// Transferring reports whether data is on its way, of a known size.
func (s syncPart) Transferring() bool { return s.Running() && s.BytesTotal > 0 }

// Doing says what it does now.
func (s syncPart) Doing() string {
	switch {
	case s.Transferring():
		return "Transferring"
	case s.Running():
		return "Comparing"
	case s.Failed():
		return "Failed, to be tried again"
	}
	return "Idle"
}

// Failed reports whether the last one failed.
func (s syncPart) Failed() bool { return s.State == pair.SyncFailed }
