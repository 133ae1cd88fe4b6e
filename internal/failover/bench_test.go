package failover

import (
	"testing"
	"time"

	"baton/internal/pair"
)

// BenchmarkNext measures one turn of each kind of appliance: Next runs for every message,
// every probe and every renewal, and many million times in the explorer.
func BenchmarkNext(b *testing.B) {
	c, backup := readyBackup()
	backup.Polling = true
	primary := backup
	primary.Record, primary.Door, primary.Held, primary.Confirmed = pair.Record{Role: pair.Primary, Epoch: backup.Record.Epoch}, Open, true, at(backup.Now)
	primary.Peer.Role = pair.Backup
	suspect := backup
	suspect.Phase = pair.Suspect
	isolated := primary
	isolated.Phase, isolated.Door, isolated.Held = pair.Isolated, Closed, false
	view := backup.Peer
	for _, kind := range []struct {
		name  string
		state State
		event Event
	}{
		{"a backup whose poll is answered", backup, PollAnswered{Heard{View: view, Confirmed: at(backup.Now)}}},
		{"a backup that suspects", suspect, Tick{}},
		{"a primary that serves", primary, Tick{}},
		{"a primary that is isolated", isolated, Tick{}},
	} {
		b.Run(kind.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Next(kind.state, kind.state.Now.Add(time.Millisecond), kind.event)
			}
		})
	}
	b.Run("the view of a backup", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.View(backup)
		}
	})
}
