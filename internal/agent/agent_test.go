package agent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

func TestBackupTakesOverWhenThePrimaryLosesItsPower(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.powerOffAlpha()
		time.Sleep(timeout + 20*time.Millisecond)
		room.expect(beta, pair.Primary, pair.Claiming, pair.Alone)
		room.expectOwner(beta)
		if epoch := room.side[beta].agent.Decision().State.Record.Epoch; epoch.Counter != 2 || epoch.Holder != beta {
			t.Errorf("beta serves in epoch %s", epoch)
		}
	})
}

// A disk that goes as the primary fails is seen before any epoch is raised, whoever
// looks at it otherwise.
func TestNoTakeoverWithADiskThatHasJustGone(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[beta].data.tear(true)
		room.powerOffAlpha()
		time.Sleep(3 * timeout)
		room.expect(beta, pair.Backup, pair.Suspect)
		if why := room.side[beta].agent.Decision().State.Blocked; why != failover.DataIsTorn {
			t.Errorf("beta waits because: %s", why)
		}
		room.side[beta].data.tear(false)
		time.Sleep(timeout)
		room.expect(beta, pair.Primary, pair.Claiming, pair.Alone)
		room.expectOwner(beta)
	})
}

// Nor does the primary hand the site over to it.
func TestNoSwitchToADiskThatHasJustGone(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[beta].data.tear(true)
		err := room.side[beta].agent.Do(t.Context(), failover.BecomePrimary{})
		if !errors.Is(err, failover.DataIsTorn) {
			t.Errorf("told: %v", err)
		}
		room.expect(alpha, pair.Primary, pair.Steady)
		room.expectOwner(alpha)
	})
}

func TestRoleIsNotAssumedWhileItCannotBeStored(t *testing.T) {
	eachWay(t, func(room *room) {
		room.pairUp()
		room.side[beta].disk.fail(errors.New("no space left on device"))
		room.powerOffAlpha()
		time.Sleep(3 * timeout)
		room.expect(beta, pair.Backup, pair.Suspect)
		room.expectOwner("")
		room.expectCondition(beta, "state-not-saved")
		room.side[beta].disk.fail(nil)
		time.Sleep(2 * timeout)
		room.expect(beta, pair.Primary, pair.Claiming, pair.Alone)
		room.expectOwner(beta)
	})
}

func TestHungLoopAnswersNoPoll(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[alpha].disk.hang()
		defer room.side[alpha].disk.resume()
		room.do(func(ctx context.Context) { _ = room.side[alpha].agent.Do(ctx, failover.SetMaintenance{On: true}) })
		time.Sleep(timeout / 10)
		ctx, cancel := context.WithTimeout(t.Context(), timeout/4)
		defer cancel()
		if _, err := room.side[alpha].agent.Polled(ctx, 1, 0, pair.View{}); err == nil {
			t.Error("a loop that hangs in its disk answers polls")
		}
	})
}

func TestPlannedSwitchMovesDataAddressAndRole(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		if err := room.side[beta].agent.Do(t.Context(), failover.BecomePrimary{FinalSync: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(timeout)
		room.expect(beta, pair.Primary, pair.Steady)
		room.expect(alpha, pair.Backup, pair.Steady)
		room.expectOwner(beta)
		if pulls := room.side[beta].data.pulls(); !slices.ContainsFunc(pulls, func(p Pull) bool { return p.Final }) {
			t.Errorf("no final data sync among %+v", pulls)
		}
		if kinds := room.side[beta].history.kinds(); !slices.Contains(kinds, pair.KindHandover) {
			t.Errorf("the history of beta tells of no handover: %v", kinds)
		}
	})
}

func TestPrimaryCanHandOverToo(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		if err := room.side[alpha].agent.HandOver(t.Context(), true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(timeout)
		room.expect(beta, pair.Primary, pair.Steady)
		room.expectOwner(beta)
		if err := room.side[alpha].agent.HandOver(t.Context(), true); err == nil {
			t.Error("a backup hands over")
		}
	})
}

// The one that was primary until now does not know yet that the other one serves.
func TestSwitchBackAtOnce(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		for range 3 {
			for _, id := range []pair.ApplianceID{beta, alpha} {
				err := room.side[id].agent.Do(t.Context(), failover.BecomePrimary{FinalSync: true})
				for errors.Is(err, failover.EffectsPending) {
					time.Sleep(time.Millisecond) // its services are stopping
					err = room.side[id].agent.Do(t.Context(), failover.BecomePrimary{FinalSync: true})
				}
				if err != nil {
					t.Fatalf("%s: %v", id, err)
				}
			}
		}
		time.Sleep(timeout)
		room.expect(alpha, pair.Primary, pair.Steady)
		room.expectOwner(alpha)
	})
}

func TestFailedFinalSyncLeavesTheOldPrimary(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[beta].data.fail(errors.New("disk full"))
		err := room.side[beta].agent.Do(t.Context(), failover.BecomePrimary{FinalSync: true})
		if !errors.Is(err, failover.SyncFailed) {
			t.Fatalf("the switch ended with %v", err)
		}
		time.Sleep(timeout)
		room.expect(alpha, pair.Primary, pair.Steady)
		room.expectOwner(alpha)
	})
}

// Whoever asked for the switch reads which file it was, and so does the history.
func TestASwitchThatFailsNamesTheCause(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[beta].data.fail(errors.New("The disk of /srv/www is full (stage \"big.iso\")."))
		const want = `The data sync failed: The disk of /srv/www is full (stage "big.iso").`
		err := room.side[beta].agent.Do(t.Context(), failover.BecomePrimary{FinalSync: true})
		if err == nil || err.Error() != want {
			t.Errorf("the switch on the backup ended with %v", err)
		}
		if err := room.side[alpha].agent.HandOver(t.Context(), true); err == nil || err.Error() != want {
			t.Errorf("the switch on the primary ended with %v", err)
		}
		if texts := room.side[beta].history.texts(); !slices.ContainsFunc(texts, func(text string) bool { return strings.HasSuffix(text, ": "+want) }) {
			t.Errorf("the history does not say why: %q", texts)
		}
	})
}

func TestTornDataIsKnownBeforeTheEpochIsRaised(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		b := room.side[beta]
		b.data.tear(true)
		b.data.fail(errors.New("a file is locked"))
		time.Sleep(2 * syncEvery)
		room.powerOffAlpha()
		time.Sleep(3 * timeout)
		room.expect(beta, pair.Backup, pair.Suspect)
		if epoch := b.agent.Decision().State.Record.Epoch; epoch.Holder != alpha {
			t.Errorf("the epoch was raised to %s", epoch)
		}
		b.data.tear(false)
		b.agent.DataMended(pair.Snapshot{})
		time.Sleep(timeout)
		room.expect(beta, pair.Primary, pair.Claiming, pair.Alone)
	})
}

func TestSyncFollowsTheScheduleAndEndsWithTheRole(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		before := len(room.side[beta].data.pulls())
		time.Sleep(10 * syncEvery)
		if n := len(room.side[beta].data.pulls()) - before; n < 9 || n > 11 {
			t.Errorf("%d syncs in ten intervals", n)
		}
		room.side[beta].data.slow(time.Hour)
		time.Sleep(2 * syncEvery)
		if !room.side[beta].agent.CancelSync() {
			t.Error("no sync runs that could be cancelled")
		}
		if err := room.side[alpha].agent.SyncNow(t.Context(), false); !errors.Is(err, ErrNotNow) {
			t.Errorf("a primary pulls: %v", err)
		}
	})
}

// TestABackupPullsWhatChangedAtOnce has a primary that can tell when something changes.
func TestABackupPullsWhatChangedAtOnce(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.every = followWithin
		changes := make(chan struct{}, 1)
		room.pairUp()
		room.side[beta].data.tell(changes)
		time.Sleep(time.Minute)
		before := len(room.side[beta].data.pulls())
		time.Sleep(time.Minute)
		if n := len(room.side[beta].data.pulls()); n != before {
			t.Errorf("%d pulls while nothing changed", n-before)
		}
		changes <- struct{}{}
		time.Sleep(followPause)
		if n := len(room.side[beta].data.pulls()); n != before+1 {
			t.Errorf("%d pulls after a change", n-before)
		}
	})
}

// A wall clock that was set back must not make old data look fresh for ever.
func TestASnapshotFromTheFutureIsOfUnknownAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{Clock: func() failover.Instant { return failover.Instant(time.Hour) }, Wall: time.Now, History: &events{}, Mover: &card{}, Services: newPrograms(), Data: &files{}})
		old := a.takenAt(pair.Snapshot{Number: 1, TakenAt: time.Now().Add(-time.Minute).UnixMilli()})
		if !old.Set || old.At != failover.Instant(time.Hour-time.Minute) {
			t.Errorf("a snapshot of a minute ago was taken at %+v", old)
		}
		if future := a.takenAt(pair.Snapshot{Number: 1, TakenAt: time.Now().Add(time.Minute).UnixMilli()}); future.Set {
			t.Errorf("a snapshot of the future was taken at %+v", future)
		}
	})
}

// The age of the snapshot that a backup starts with is known before anything is told.
func TestABackupThatStartsKnowsTheAgeOfItsSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		snapshot := pair.Snapshot{Number: 1, TakenAt: time.Now().Add(-time.Minute).UnixMilli()}
		a := New(Options{
			Clock: func() failover.Instant { return failover.Instant(time.Hour) }, Wall: time.Now, History: &events{}, Mover: &card{}, Services: newPrograms(), Data: &files{},
			Record: pair.Record{Role: pair.Backup, Snapshot: snapshot}, Snapshot: snapshot,
		})
		for _, condition := range a.Conditions() {
			if condition.ID == "data-age-unknown" {
				t.Errorf("told: %s", condition.Text)
			}
		}
		if at := a.Decision().State.SnapshotAt; !at.Set || at.At != failover.Instant(time.Hour-time.Minute) {
			t.Errorf("taken at %+v", at)
		}
	})
}

// Whoever asks for a data sync hears why there is none.
func TestASyncFromAPrimaryThatWasSetBackSaysSo(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.every = 10 * time.Minute // a data sync of the schedule would bring the number back
		room.pairUp()
		b := room.side[beta].agent
		b.Tell(failover.DataChanged{Snapshot: pair.Snapshot{Number: 1000, Epoch: b.Decision().State.Record.Epoch}})
		time.Sleep(timeout)
		if err := b.SyncNow(t.Context(), false); !errors.Is(err, failover.PrimarySetBack) {
			t.Errorf("told: %v", err)
		}
		room.expectCondition(alpha, "primary-set-back")
		room.expect(alpha, pair.Primary, pair.Steady)
	})
}

// That a running data sync is not allowed any more is no answer: why is.
func TestASyncThatItsRoleEndsSaysWhy(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.every = 10 * time.Minute
		room.pairUp()
		b := room.side[beta]
		b.data.slow(time.Hour)
		ended := make(chan error, 1)
		go func() { ended <- b.agent.SyncNow(t.Context(), false) }()
		time.Sleep(time.Second)
		b.agent.Tell(failover.DataChanged{Snapshot: pair.Snapshot{Number: 1000, Epoch: b.agent.Decision().State.Record.Epoch}})
		if err := <-ended; !errors.Is(err, failover.PrimarySetBack) {
			t.Errorf("told: %v", err)
		}
	})
}

// A failed data sync is tried again soon, however seldom the schedule asks for one.
func TestAFailedSyncIsTriedAgainBeforeTheScheduleIsDue(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.every = 10 * time.Minute
		room.pairUp()
		b := room.side[beta]
		before := len(b.data.pulls())
		b.data.fail(errors.New("the cable is out"))
		time.Sleep(room.every)
		after := len(b.data.pulls()) - before
		if time.Sleep(time.Minute); len(b.data.pulls())-before-after < 2 {
			t.Errorf("tried %d times, then not again", after)
		}
	})
}

func TestStoppingTakesTheAddressOff(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.stop(alpha)
		room.expectOwner("")
		if room.side[alpha].door.is() != "closed" {
			t.Error("the door stays open")
		}
	})
}

func TestConditionsComeAndGoInTheHistory(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.cut(true)
		time.Sleep(timeout / 2)
		room.expectCondition(alpha, "alone")
		room.cut(false)
		time.Sleep(timeout)
		for _, c := range room.side[alpha].agent.Conditions() {
			if c.ID == "alone" {
				t.Errorf("still raised: %+v", c)
			}
		}
		kinds := room.side[alpha].history.kinds()
		if !slices.Contains(kinds, pair.KindConditionRaised) || !slices.Contains(kinds, pair.KindConditionCleared) {
			t.Errorf("history: %v", kinds)
		}
	})
}

func TestAnswersRememberWhenAPollWasAnswered(t *testing.T) {
	var a answers
	if a.at(0).Set || a.at(7).Set {
		t.Error("an answer that was never given is remembered")
	}
	for seq := range uint64(200) {
		a.add(seq+1, failover.Instant(seq))
	}
	if got := a.at(200); !got.Set || got.At != 199 {
		t.Errorf("newest: %+v", got)
	}
	if a.at(100).Set {
		t.Error("an entry that was written over is still found")
	}
}
