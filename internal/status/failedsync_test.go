package status

import (
	"strings"
	"testing"
	"time"

	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/pair"
)

// That a data sync is tried again by itself is said only where it is.
func TestAFailedSyncPromisesNoRetryThatNobodyMakes(t *testing.T) {
	heard := failover.Moment{At: agent.BootClock(), Set: true}
	syncing := agent.Decision{
		Config: failover.Config{BackupOperations: true, Timeout: time.Hour},
		State: failover.State{
			Record:    pair.Record{Role: pair.Backup, Epoch: pair.Epoch{Counter: 2}},
			PeerHeard: heard, PrimaryHeard: heard, Peer: pair.View{Role: pair.Primary, Epoch: pair.Epoch{Counter: 2}},
		},
	}
	off, silent, conflict := syncing, syncing, syncing
	off.Config.BackupOperations = false
	silent.State.PeerHeard = failover.Moment{}
	conflict.State.Record.Conflict = pair.Epoch{Counter: 3}
	for _, c := range []struct {
		name     string
		decision agent.Decision
		next     time.Duration
		want     string
	}{
		{"soon", syncing, time.Second, "within 30 s"},
		{"running", syncing, -1, "within 30 s"},
		{"with the schedule", syncing, time.Hour, "at the next run of the schedule"},
		{"operations off", off, -1, "not tried again by itself"},
		{"peer silent", silent, time.Second, "once the peer answers"},
		{"conflict", conflict, -1, "Nothing is synced"},
	} {
		got := againStep(c.decision, c.next)
		if !strings.Contains(got, c.want) || strings.Contains(got, "within 30 s") != (c.want == "within 30 s") {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}
