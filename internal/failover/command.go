package failover

import "baton/internal/pair"

// becomeStandalone breaks the relationship. The primary serves on; the backup
// stays closed until nobody answers for its shared IP.
func becomeStandalone(t *turn) {
	old := t.Record
	holdEnded(t, RelationshipBroken)
	t.save(pair.Record{Role: pair.Standalone, Epoch: old.Epoch, Lineage: old.Lineage, Snapshot: old.Snapshot})
	phase := pair.Steady
	if !t.Door.serves() {
		phase = pair.Waiting
	}
	if t.Switch.Step != Resuming {
		t.Switch = Switch{}
	}
	t.Peer, t.PeerHeard, t.PrimaryHeard, t.Failed = pair.View{}, Moment{}, Moment{}, Moment{}
	t.Evidence = Evidence{}
	t.Polling, t.Blocked = false, Agreed
	t.enter(pair.Standalone, phase, RelationshipBroken)
	t.do(Finish{Refusal: Agreed})
}

// becomePaired begins a relationship: the one that holds the data goes on as
// primary under a new epoch, the other closes and receives. What the receiver
// held is set aside first.
func becomePaired(t *turn, role pair.Role) {
	if t.Record.Role != pair.Standalone {
		t.do(Finish{Refusal: AlreadyPaired})
		return
	}
	t.Evidence = Evidence{}
	t.Peer, t.PeerHeard = pair.View{}, Moment{}
	if role == pair.Primary {
		epoch := t.Record.Epoch.Next(t.config.Self)
		record := pair.Record{Role: role, Epoch: epoch, Lineage: t.Record.Lineage.Begin(epoch, 0)}
		t.save(record)
		t.Confirmed = at(t.now) // the peer has just agreed
		phase := pair.Steady
		if !t.Door.serves() {
			phase = pair.Waiting
		}
		t.enter(role, phase, Paired)
		t.do(Finish{Refusal: Agreed})
		return
	}
	t.save(pair.Record{Role: pair.Backup, Diverged: pair.Epoch{Counter: t.Record.Epoch.Counter, Holder: t.config.Self}})
	closeSite(t)
	t.SnapshotAt, t.PrimaryHeard = Moment{}, Moment{}
	t.enter(pair.Backup, pair.Releasing, Paired)
	t.do(Finish{Refusal: Agreed})
}

func setMaintenance(t *turn, cmd SetMaintenance) {
	record := t.Record
	record.Maintenance, record.MaintenanceUntil = cmd.On, cmd.Until
	t.save(record)
	t.changed()
	t.do(Finish{Refusal: Agreed})
}

func resumeAutomatic(t *turn) {
	record := t.Record
	record.Damped, record.Takeovers = false, 0
	t.Takeovers = [3]Moment{}
	t.save(record)
	t.do(Finish{Refusal: Agreed})
}
