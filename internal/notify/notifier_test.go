package notify

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"baton/internal/pair"
)

func TestWhatHappensIsToldOnceAndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		history := newPast()
		history.record(self, event(pair.KindTakeover, "long ago"))
		m := newMachine(t, self, history)
		defer func() { m.stop() }()
		m.note(raised(0, "peer-unreachable", pair.Warning, time.Now()))
		m.note(event(pair.KindTakeover, "took over"))
		m.note(event(pair.KindSignedIn, "nobody asked"))
		m.note(raised(0, "timeout-below-lease", pair.Info, time.Now()))
		wait(gather - time.Millisecond)
		m.want()
		wait(time.Second)
		m.want("mail | The peer-unreachable is there. | took over")
		m.note(event(pair.KindHandover, "handed over"))
		wait(time.Hour)
		m.want("mail | The peer-unreachable is there. | took over", "mail | handed over")
	})
}

// TestACrashLosesNothingAndDoublesNothing ends the daemon after every write that it
// makes, and looks at what arrived once it is back.
func TestACrashLosesNothingAndDoublesNothing(t *testing.T) {
	for writes := range 12 {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine(t, self, newPast())
			defer func() { m.stop() }()
			wait(time.Minute)
			m.set(func(m *machine) { m.fullAfter = writes })
			var noted []string
			for i := range 4 {
				noted = append(noted, m.note(event(pair.KindTakeover, fmt.Sprint("event ", i))).ID)
				wait(2 * time.Second)
			}
			m.crash()
			m.start()
			wait(time.Hour)
			content := map[string]string{}
			var told []string
			for i, line := range m.texts() {
				id := m.deliveries()[i].notice.ID
				if known, again := content[id]; again {
					if known != line {
						t.Errorf("after %d writes: notice %s said %q, then %q", writes, id, known, line)
					}
					continue
				}
				content[id] = line
				for _, item := range m.deliveries()[i].notice.Items {
					told = append(told, item.Event.ID)
				}
			}
			if !slices.Equal(told, noted) {
				t.Errorf("after %d writes: told %v, want %v", writes, told, noted)
			}
		})
	}
}

func TestAFailingChannelIsTriedAgainAndGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, self, newPast())
		defer func() { m.stop() }()
		m.set(func(m *machine) {
			m.settings.Webhooks = []pair.Webhook{{ID: "h", Name: "chat", Enabled: true, Tell: pair.DefaultTell()}}
			m.settings.Webhooks[0].Tell.Kinds = append(m.settings.Webhooks[0].Tell.Kinds, pair.KindNotificationFailed)
			m.settings.Mail.Tell.Daily, m.settings.Webhooks[0].Tell.Daily = false, false
			m.down["mail"] = errors.New("the server is down.")
		})
		began := time.Now()
		m.note(event(pair.KindTakeover, "first"))
		wait(10 * time.Second)
		m.want("h | first") // the other channel does not wait
		wait(time.Hour)
		m.note(event(pair.KindHandover, "second"))
		wait(time.Hour)
		state := m.notifier.States()[0]
		if state.Pending != 2 || state.LastError != "the server is down." || state.FailingSince.IsZero() || !state.LastSuccess.IsZero() || state.NextAttempt.IsZero() {
			t.Errorf("the state says %+v", state)
		}
		wait(giveUp - 3*time.Hour)
		checkAttempts(t, m.tried("mail"), began)
		wait(2 * time.Hour)
		m.set(func(m *machine) { delete(m.down, "mail") })
		wait(time.Hour)
		m.want("h | first", "h | second",
			"h | A notice was given up after 72h: the server is down.",
			"mail | second")
		if state := m.notifier.States()[0]; state.Dropped != 1 || !state.FailingSince.IsZero() || state.Pending != 0 {
			t.Errorf("at the end the state says %+v", state)
		}
		if last := m.deliveries()[len(m.deliveries())-1].notice; last.Dropped != 1 {
			t.Errorf("the last notice speaks of %d untold events", last.Dropped)
		}
	})
}

// checkAttempts wants them soon at first, then half an hour apart, give or take.
func checkAttempts(t *testing.T, attempts []time.Time, began time.Time) {
	t.Helper()
	last := time.Duration(0)
	for i, at := range attempts[1:] {
		gap := at.Sub(attempts[i])
		if gap < 3*time.Second || gap > lastRetry+time.Second || i < 5 && gap < last {
			t.Errorf("attempt %d came %s after the one before, %s from the start", i+1, gap, at.Sub(began))
		}
		last = gap
	}
	if n := len(attempts); n < 100 || n > 250 {
		t.Errorf("%d attempts in three days", n)
	}
}

func TestAReceiverThatDoesNotTakeANoticeIsNotAskedForDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, self, newPast())
		defer func() { m.stop() }()
		m.set(func(m *machine) { m.down["mail"] = unsent("looks like spam.", errNotTaken) })
		m.note(event(pair.KindTakeover, "first"))
		wait(50 * time.Minute)
		m.set(func(m *machine) { delete(m.down, "mail") })
		m.note(event(pair.KindHandover, "second"))
		wait(time.Hour)
		m.want("mail | first", "mail | second")
		m.set(func(m *machine) { m.down["mail"] = unsent("looks like spam.", errNotTaken) })
		m.note(event(pair.KindTakeover, "third"))
		wait(2 * time.Hour)
		m.set(func(m *machine) { delete(m.down, "mail") })
		m.note(event(pair.KindHandover, "fourth"))
		wait(time.Hour)
		m.want("mail | first", "mail | second", "mail | fourth")
	})
}

func TestAConditionThatFlapsIsToldNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, self, newPast())
		defer func() { m.stop() }()
		m.set(func(m *machine) { m.settings.Mail.Tell.Daily = false })
		const flaps = 8640
		for range flaps { // one every ten seconds, for a day
			m.note(raised(0, "peer-unreachable", pair.Warning, time.Now()))
			wait(5 * time.Second)
			m.note(cleared(0, "peer-unreachable", pair.Warning, time.Now()))
			wait(5 * time.Second)
		}
		wait(time.Hour)
		times := 0
		for _, d := range m.deliveries() {
			for _, item := range d.notice.Items {
				times += item.Times
			}
		}
		if n := len(m.deliveries()); n > burst+144+1 || n < 100 {
			t.Errorf("%d notices in a day", n)
		}
		if times != flaps {
			t.Errorf("the notices tell of %d times, want %d", times, flaps)
		}
		if m.most() > 8<<10 {
			t.Errorf("the outbox had %d bytes", m.most())
		}
		m.note(event(pair.KindTakeover, "took over"))
		wait(20 * time.Minute)
		if got := m.texts(); got[len(got)-1] != "mail | took over" {
			t.Errorf("told last: %s", got[len(got)-1])
		}
	})
}

func TestAFloodIsBoundedAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, self, newPast())
		defer func() { m.stop() }()
		m.set(func(m *machine) { m.hang["mail"] = true })
		m.note(event(pair.KindTakeover, "first"))
		wait(time.Minute)
		text := string(make([]byte, 4000))
		for range 5000 {
			m.past.record(self, event(pair.KindTakeover, text))
		}
		m.set(func(m *machine) { m.hang["mail"] = false })
		m.stop() // the attempt that hangs ends with the daemon, and counts as none
		m.start()
		wait(time.Hour)
		if len(m.deliveries()) != 2 || len(m.deliveries()[1].notice.Items) != mostWaiting || m.deliveries()[1].notice.Dropped != 5000-mostWaiting {
			t.Fatalf("%d notices, the last with %d items, %d dropped", len(m.deliveries()), len(m.deliveries()[len(m.deliveries())-1].notice.Items), m.deliveries()[len(m.deliveries())-1].notice.Dropped)
		}
		if most := 2 * mostWaiting * (longestText*6 + 500); m.most() > most { // control characters are six bytes of JSON
			t.Errorf("the outbox had %d bytes, want at most %d", m.most(), most)
		}
	})
}

func TestOneChannelThatHangsDelaysNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, self, newPast())
		m.set(func(m *machine) {
			m.settings.Webhooks = []pair.Webhook{{ID: "h", Name: "chat", Enabled: true, Tell: pair.DefaultTell()}}
			m.hang["mail"] = true
		})
		for i := range 3 {
			m.note(event(pair.KindTakeover, fmt.Sprint("event ", i)))
			wait(time.Minute)
		}
		m.want("h | event 0", "h | event 1", "h | event 2")
		began := time.Now()
		m.stop()
		if took := time.Since(began); took > 0 {
			t.Errorf("the end took %s", took)
		}
	})
}

func TestASavedChangeOrATestThatWorksTriesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, self, newPast())
		defer func() { m.stop() }()
		m.set(func(m *machine) { m.down["mail"] = errors.New("wrong password.") })
		for i, mend := range []func(){
			func() { m.set(func(m *machine) { m.settings.Mail.Host = "another" }) },
			func() {
				if err := m.notifier.Test(t.Context(), m.settings, "mail"); err != nil {
					t.Error(err)
				}
			},
		} {
			m.note(event(pair.KindTakeover, fmt.Sprint("event ", i)))
			wait(3 * time.Hour)
			m.mu.Lock()
			delete(m.down, "mail")
			m.told = nil
			m.mu.Unlock()
			mend()
			wait(0)
			if got := m.texts(); got[len(got)-1] != fmt.Sprintf("mail | event %d", i) {
				t.Errorf("mended, and told %q", got)
			}
			if state := m.notifier.States()[0]; !state.FailingSince.IsZero() || state.Pending != 0 {
				t.Errorf("mended, and the state says %+v", state)
			}
			m.set(func(m *machine) { m.down["mail"] = errors.New("wrong password.") })
		}
		if err := m.notifier.Test(t.Context(), m.settings, "mail"); err == nil || err.Error() != "wrong password." {
			t.Errorf("the test says %v", err)
		}
	})
}

func TestAChannelThatIsOffIsToldNothingLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, self, newPast())
		defer func() { m.stop() }()
		m.set(func(m *machine) { m.settings.Mail.Enabled = false })
		m.note(event(pair.KindTakeover, "while off"))
		wait(time.Hour)
		m.set(func(m *machine) { m.settings.Mail.Enabled = true })
		m.note(event(pair.KindHandover, "while on"))
		wait(time.Hour)
		m.want("mail | while on")
		m.set(func(m *machine) { m.settings.Mail.Enabled = false })
		if string(m.disk) == "" || len(m.disk) > 300 {
			t.Errorf("the outbox is %s", m.disk)
		}
	})
}

func TestADamagedOutboxBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, self, newPast())
		m.stop()
		m.disk = []byte(`{"heads": "nonsense"}`)
		m.start()
		defer func() { m.stop() }()
		m.note(event(pair.KindTakeover, "afterwards"))
		wait(time.Minute)
		m.want("mail | afterwards")
	})
}
