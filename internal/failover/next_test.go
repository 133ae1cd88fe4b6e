package failover_test

import (
	"testing"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// FuzzNext hands one appliance any events in any order: the decision never
// panics, comes to rest, and keeps what it promises about a turn.
func FuzzNext(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("a backup that hears all sorts of things, in all sorts of order, at all sorts of times"))
	f.Add([]byte{1, 1, 1, 9, 9, 9, 2, 2, 250, 250, 3, 17, 33, 65, 129, 4, 4, 200, 100, 50, 25, 12, 6, 3})
	f.Fuzz(func(t *testing.T, script []byte) {
		play := &appliance{t: t, bytes: script, now: failover.Instant(time.Hour)}
		play.config = anyConfig(play)
		play.state = play.config.Start(play.record(), play.now)
		for len(play.bytes) > 0 {
			play.now = play.now.Add(time.Duration(play.next()) * time.Duration(play.next()) * time.Millisecond)
			play.turn(play.event())
			play.rest()
		}
	})
}

type appliance struct {
	t      *testing.T
	bytes  []byte
	now    failover.Instant
	config failover.Config
	state  failover.State
}

func (a *appliance) next() byte {
	if len(a.bytes) == 0 {
		return 0
	}
	b := a.bytes[0]
	a.bytes = a.bytes[1:]
	return b
}

func (a *appliance) coin() bool { return a.next()&1 == 1 }

// turn hands an event in, and checks the turn.
func (a *appliance) turn(ev failover.Event) {
	next, actions := a.config.Next(a.state, a.now, ev)
	saves := 0
	for i, action := range actions {
		save, ok := action.(failover.Save)
		if !ok {
			continue
		}
		saves++
		for _, earlier := range actions[:i] {
			if earlier != (failover.Release{}) {
				a.t.Fatalf("%#v: %#v stands before the save", ev, earlier)
			}
		}
		if save.Record != next.Record {
			a.t.Fatalf("%#v: what is saved is not what is shown", ev)
		}
	}
	if saves > 1 {
		a.t.Fatalf("%#v: %d saves in one turn", ev, saves)
	}
	if before, after := a.state.Record, next.Record; saves == 0 && !sameButSnapshot(before, after) {
		a.t.Fatalf("%#v: the record changes without a save", ev)
	}
	if _, again := ev.(failover.SaveFailed); again && saves > 0 {
		a.t.Fatal("a save that failed is tried again at once")
	}
	if saves > 0 && a.next()%8 == 1 {
		a.turn(failover.SaveFailed{Event: ev})
		return
	}
	a.state = next
}

func sameButSnapshot(a, b pair.Record) bool {
	a.Snapshot = b.Snapshot
	return a == b
}

// rest ticks until the decision wants to sleep.
func (a *appliance) rest() {
	for range 20 {
		if a.config.Deadline(a.state) > a.now {
			return
		}
		a.turn(failover.Tick{})
	}
	a.t.Fatalf("it never comes to rest: %+v", a.state)
}

func anyConfig(a *appliance) failover.Config {
	c := failover.Config{
		Self: "self", PairID: "pair", Timeout: []time.Duration{pair.MinTimeout, 5 * time.Second, 24 * time.Hour}[a.next()%3],
		TestIPs: int(a.next() % 4), Majority: a.coin(), SharedIP: !a.coin(), BackupOperations: !a.coin(),
		AutomaticFailover: !a.coin(), ObserveOnly: a.coin(), MaxDataAge: time.Duration(a.next()) * time.Second,
	}
	c.Poll = min(max(c.Timeout/10, pair.MinPoll), pair.MaxPoll)
	return c
}

func (a *appliance) epoch() pair.Epoch {
	return pair.Epoch{Counter: uint64(a.next() % 5), Holder: []pair.ApplianceID{"", "self", "peer"}[a.next()%3]}
}

func (a *appliance) lineage() (l pair.Lineage) {
	for range a.next() % 4 {
		l = l.Begin(a.epoch(), 1)
	}
	return l
}

func (a *appliance) record() pair.Record {
	r := pair.Record{Role: pair.Role(a.next() % 3), Epoch: a.epoch(), Lineage: a.lineage(), Granted: a.coin(), Taken: a.coin(), Takeovers: a.next() % 5, Sick: a.coin()}
	if a.coin() {
		r.Diverged = a.epoch()
	}
	if a.coin() {
		r.Conflict = a.epoch()
	}
	return r
}

func (a *appliance) snapshot() pair.Snapshot {
	return pair.Snapshot{Number: uint64(a.next() % 3), Epoch: a.epoch()}
}

func (a *appliance) heard() failover.Heard {
	return failover.Heard{
		View: pair.View{
			ID: "peer", PairID: "pair", Role: pair.Role(a.next() % 3), Phase: pair.Phase(a.next() % 10), Epoch: a.epoch(), Granted: a.coin(),
			Lineage: a.lineage(), Serving: a.coin(), Eligible: a.coin(), Sick: a.coin(), SharedIP: !a.coin(), Maintenance: a.coin(),
			Timeout: time.Duration(a.next()) * time.Second,
		},
		Confirmed: failover.Moment{At: a.now.Add(-time.Duration(a.next()) * time.Second), Set: a.coin()},
	}
}

func (a *appliance) event() failover.Event {
	ok := a.coin()
	switch a.next() % 28 {
	case 0, 1, 2:
		return a.heard()
	case 3, 4:
		return failover.PollAnswered{Heard: a.heard()}
	case 5:
		return failover.PollFailed{Reason: pair.PollFailure(a.next() % 4)}
	case 6, 7:
		return failover.TestIPsAnswered{Reached: int(a.next() % 4)}
	case 8, 9:
		return failover.AddressProbed{Result: failover.ProbeResult(a.next() % 3)}
	case 10:
		return failover.AddressChecked{Owner: failover.Owner(a.next() % 4)}
	case 11:
		return failover.DataOpened{OK: ok}
	case 12:
		return failover.ServicesSet{Duty: pair.Duty(a.next() % 3), OK: ok}
	case 13:
		return failover.Claimed{OK: ok}
	case 14:
		return failover.Released{OK: ok}
	case 15:
		return failover.Renewed{OK: ok}
	}
	return a.rareEvent(ok)
}

func (a *appliance) rareEvent(ok bool) failover.Event {
	switch a.next() % 17 {
	case 0:
		return failover.SetAsideDone{OK: ok}
	case 1:
		return failover.SyncEnded{OK: ok}
	case 2:
		return failover.HoldAnswered{OK: ok}
	case 3:
		return failover.CommitAnswered{OK: ok}
	case 4:
		return failover.HoldAsked{Epoch: a.epoch()}
	case 5:
		return failover.CommitAsked{Next: a.epoch(), Snapshot: a.snapshot(), Final: ok}
	case 6:
		return failover.HoldEnded{}
	case 7, 8:
		return failover.BecomePrimary{FinalSync: ok, Force: a.coin()}
	case 9:
		return failover.BecomeStandalone{}
	case 10:
		return failover.BecomePaired{Role: pair.Role(1 + a.next()%2)}
	case 11:
		return failover.SetMaintenance{On: ok}
	case 12:
		return failover.Resume{}
	case 13:
		return failover.SiteHealth{Sick: ok}
	case 14:
		return failover.ForeignOwner{}
	case 15:
		return failover.DryStartEnded{Fit: ok}
	}
	return failover.DataChanged{Snapshot: a.snapshot(), Taken: failover.Moment{At: a.now, Set: true}}
}
