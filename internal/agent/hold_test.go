package agent

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// begin asks beta to become primary, and returns what came of it.
func (r *room) begin() <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- r.side[beta].agent.Do(r.t.Context(), failover.BecomePrimary{FinalSync: true}) }()
	return ended
}

func (r *room) expectDoor(id pair.ApplianceID, now string) {
	r.t.Helper()
	if is := r.side[id].door.is(); is != now {
		r.t.Errorf("the door of %s is %s, want %s", id, is, now)
	}
}

// A request that takes 3 s is answered whole: the services stop after it.
func TestAPlannedSwitchWaitsForRequestsThatRun(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[alpha].door.run(3 * time.Second)
		began := time.Now()
		ended := room.begin()
		time.Sleep(2900 * time.Millisecond)
		room.expectDuties(alpha, pair.Lead, pair.Lead)
		room.expectDoor(alpha, "holding")
		room.expectOwner(alpha)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 3100*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		time.Sleep(timeout)
		room.expectOwner(beta)
		room.expectDoor(alpha, "closed")
		room.expectDoor(beta, "open")
	})
}

// A switch of an idle site waits for nothing.
func TestAPlannedSwitchOfAnIdleSiteWaitsForNothing(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		began := time.Now()
		if err := <-room.begin(); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it took %s", took)
		}
	})
}

// Requests that do not end have their time, and the history says how many were left.
func TestRequestsThatDoNotEndAreTold(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[alpha].door.run(time.Hour)
		if err := <-room.begin(); err != nil {
			t.Fatal(err)
		}
		texts := room.side[alpha].history.texts()
		if !slices.ContainsFunc(texts, func(text string) bool { return strings.HasSuffix(text, "goes on without them: 1 request still runs.") }) {
			t.Errorf("the history does not say what was left: %q", texts)
		}
		time.Sleep(timeout)
		room.expectOwner(beta)
	})
}

// Services that take 20 s to stop are switched, for all that a question used to end
// after 15 s; and each side says what is waited for.
func TestTheBackupWaitsAsLongAsItIsTold(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		for _, id := range []pair.ApplianceID{alpha, beta} {
			room.side[id].programs.change(func(p *programs) { p.stops = 10 * time.Second }) // each of two; nobody says that this has changed
		}
		began := time.Now()
		ended := room.begin()
		time.Sleep(5 * time.Second)
		for _, id := range []pair.ApplianceID{alpha, beta} {
			decision := room.side[id].agent.Decision()
			if text := decision.Config.SwitchProgress(decision.State); !strings.HasPrefix(text, "Requests wait until the services have stopped, for 15s") {
				t.Errorf("%s says %q", id, text)
			}
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 20*time.Second || took > 21*time.Second {
			t.Errorf("it took %s", took)
		}
		time.Sleep(timeout)
		room.expectOwner(beta)
	})
}

// A hold whose backup falls silent is rolled back: the door opens, and what the old hold
// has to say counts for no later one.
func TestAHoldWhoseBackupFallsSilentIsRolledBack(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		for _, s := range room.side { // beta takes over only when it is told to
			s.agent.Configure(func(c *failover.Config) { c.AutomaticFailover = false })
		}
		room.side[alpha].door.run(4900 * time.Millisecond)
		ended := room.begin()
		time.Sleep(time.Second)
		room.cut(true)
		time.Sleep(timeout + timeout/10) // beta has given up
		room.expect(alpha, pair.Primary, pair.Alone)
		room.expectDoor(alpha, "open")
		room.expectDuties(alpha, pair.Lead, pair.Lead)
		if err := <-ended; err == nil {
			t.Error("the switch succeeded")
		}
		room.cut(false)
		time.Sleep(2 * timeout)
		room.expect(alpha, pair.Primary, pair.Steady)
		room.expectOwner(alpha)
		room.side[alpha].door.run(0)
		if err := <-room.begin(); err != nil {
			t.Error(err)
		}
	})
}

// The backup hears why the primary could not close.
func TestAServiceThatDoesNotStopIsNamedToTheBackup(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[alpha].programs.change(func(p *programs) { p.stuck = "db" })
		err := <-room.begin()
		if !errors.Is(err, failover.PeerRefused) || !strings.Contains(err.Error(), "db did not stop") {
			t.Errorf("told: %v", err)
		}
		time.Sleep(timeout)
		room.expect(alpha, pair.Primary, pair.Steady)
		room.expectDuties(alpha, pair.Lead, pair.Lead)
		room.expectDoor(alpha, "open")
	})
}

// A sick primary that cannot be synced from offers the site again without that, and the backup
// says how old the data is that it takes.
func TestWhatIsTakenWithoutAFinalSyncIsSaidToBeOld(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[beta].data.fail(errors.New("the disk does not answer"))
		room.side[alpha].agent.SiteChecked(pair.HealthCheck{}, errors.New("no answer"))
		time.Sleep(2 * timeout)
		room.expect(alpha, pair.Primary, pair.Steady)
		time.Sleep(time.Minute)
		room.expect(beta, pair.Primary, pair.Steady)
		room.expect(alpha, pair.Backup, pair.Steady)
		var entry string
		for _, text := range room.side[beta].history.texts() {
			if strings.Contains(text, failover.OffersUnsynced.String()) {
				entry = text
			}
		}
		if !strings.Contains(entry, " That snapshot is 1 min") {
			t.Errorf("the history says %q", entry)
		}
	})
}
