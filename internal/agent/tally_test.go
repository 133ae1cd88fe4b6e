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

func TestAContinuousScheduleDoesNotFillTheHistory(t *testing.T) {
	history := &events{}
	tally := &tally{history: history}
	start := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	const seconds = 3600
	for i := range uint64(seconds) {
		now := start.Add(time.Duration(i) * time.Second)
		tally.due(now)
		tally.add(now, sum{first: i + 1, last: i + 1, files: 2, bytes: 10, took: time.Duration(i%100) * time.Millisecond})
	}
	tally.end(start.Add(seconds * time.Second))
	kept := history.list()
	if len(kept) > 13 {
		t.Errorf("%d events in an hour", len(kept))
	}
	total := map[string]int{}
	for _, event := range kept {
		for _, key := range []string{"runs", "files", "bytes", "duration_ms"} {
			total[key] += number(t, event.Detail[key])
		}
	}
	if total["runs"] != seconds || total["files"] != 2*seconds || total["bytes"] != 10*seconds || total["duration_ms"] != 99*50*seconds/100 {
		t.Errorf("all together: %v", total)
	}
	if want := "299 data syncs, 2 to 300, are complete and verified."; kept[1].Text != want {
		t.Errorf("%q, want %q", kept[1].Text, want)
	}
	if kept[1].Detail["longest_ms"] != "99" || kept[1].Detail["number"] != "300" {
		t.Errorf("details %v", kept[1].Detail)
	}
}

func TestWhatIsWorthReadingIsTold(t *testing.T) {
	const full, gone = "disk full", "no answer"
	for _, test := range []struct {
		name string
		runs string // one a second: d done, a done and asked for, f disk full, g no answer, space nothing
		want string
	}{
		{"the first at once", "d", "1 done"},
		{"those that follow in one", "ddd", "1 done, 2 done"},
		{"what was asked for at once", "dda", "1 done, 1 done, 1 done"},
		{"the first failure at once", "ddf", "1 done, 1 done, 1 failed"},
		{"the same failure again in one", "ffff", "1 failed, 3 failed"},
		{"another failure at once", "ffg", "1 failed, 1 failed, 1 failed"},
		{"and when it works again", "fffd", "1 failed, 2 failed, 1 done"},
	} {
		t.Run(test.name, func(t *testing.T) {
			history := &events{}
			tally := &tally{history: history}
			now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
			for _, run := range test.runs {
				now = now.Add(time.Second)
				failure := map[rune]string{'f': full, 'g': gone}[run]
				tally.add(now, sum{failure: failure, asked: run == 'a'})
			}
			tally.end(now)
			var told []string
			for _, event := range history.list() {
				told = append(told, event.Detail["runs"]+" "+strings.TrimPrefix(event.Kind, "sync-"))
			}
			if got := strings.Join(told, ", "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestTakeoverTellsWhatWasSeen(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		off := time.Now()
		room.powerOffAlpha()
		time.Sleep(2 * timeout)
		takeover := room.side[beta].history.newest(t, pair.KindTakeover)
		heard, err := time.Parse(time.RFC3339Nano, takeover.Detail["peer_heard"])
		if err != nil || off.Sub(heard).Abs() > timeout/10 {
			t.Errorf("the primary was heard at %s (%v), and lost its power at %s", heard, err, off)
		}
		for _, key := range []string{"test_ips_answer_since", "shared_ip_free_since"} {
			since, err := time.Parse(time.RFC3339Nano, takeover.Detail[key])
			if err != nil || since.Before(off.Add(-timeout)) || since.After(off.Add(timeout)) {
				t.Errorf("%s %s, %v", key, since, err)
			}
		}
		if silent := number(t, takeover.Detail["silent_ms"]); silent < int(timeout.Milliseconds()) || takeover.Detail["timeout"] != timeout.String() {
			t.Errorf("silent for %d ms, timeout %s", silent, takeover.Detail["timeout"])
		}
		served := room.side[beta].history.newest(t, pair.KindRoleChanged)
		if down := number(t, served.Detail["down_ms"]); down < int(timeout.Milliseconds()) || down > int(2*timeout.Milliseconds()) {
			t.Errorf("%s: nobody served for %d ms", served.Text, down)
		}
	})
}

// Whoever reads that a data sync failed would look for a cause to mend.
func TestASyncThatATakeoverEndsHasNotFailed(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[beta].data.slow(time.Hour)
		before := len(room.side[beta].data.pulls())
		for len(room.side[beta].data.pulls()) == before {
			time.Sleep(timeout / 10)
		}
		room.powerOffAlpha()
		time.Sleep(2 * timeout)
		room.side[beta].history.newest(t, pair.KindTakeover)
		for _, event := range room.side[beta].history.list() {
			if event.Kind == pair.KindSyncFailed {
				t.Errorf("told: %s", event.Text)
			}
		}
	})
}

func TestPlannedSwitchTellsHowLongNobodyServed(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[beta].data.slow(time.Second) // the data sync before, and the final one
		if err := room.side[beta].agent.Do(t.Context(), failover.BecomePrimary{FinalSync: true}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(timeout)
		served := room.side[beta].history.newest(t, pair.KindRoleChanged)
		if down := number(t, served.Detail["down_ms"]); down < 1000 || down > 1500 {
			t.Errorf("%s: nobody served for %d ms, want that of the final data sync", served.Text, down)
		}
	})
}

func TestFailedSwitchLeavesNothingToMeasure(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[beta].data.fail(errors.New("disk full"))
		if err := room.side[beta].agent.Do(t.Context(), failover.BecomePrimary{FinalSync: true}); err == nil {
			t.Fatal("the switch succeeded")
		}
		room.side[beta].data.fail(nil)
		time.Sleep(time.Hour)
		if err := room.side[beta].agent.Do(t.Context(), failover.BecomePrimary{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(timeout)
		served := room.side[beta].history.newest(t, pair.KindRoleChanged)
		if down := number(t, served.Detail["down_ms"]); down > 1000 {
			t.Errorf("%s: nobody served for %d ms", served.Text, down)
		}
	})
}

func (e *events) list() []pair.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.kept)
}

// newest returns the newest event of the kind.
func (e *events) newest(t *testing.T, kind string) pair.Event {
	t.Helper()
	for _, event := range slices.Backward(e.list()) {
		if event.Kind == kind {
			return event
		}
	}
	t.Fatalf("no %s among %v", kind, e.kinds())
	return pair.Event{}
}

func number(t *testing.T, text string) int {
	t.Helper()
	var n int
	for _, digit := range text {
		if digit < '0' || digit > '9' {
			t.Fatalf("%q is no number", text)
		}
		n = 10*n + int(digit-'0')
	}
	return n
}

func TestASyncThatIsAskedForWaitsUntilThePrimaryOffersItsData(t *testing.T) {
	eachWay(t, func(room *room) {
		t := room.t
		room.pairUp()
		room.side[beta].data.fail(ErrWithheld)
		ended := make(chan error, 1)
		go func() { ended <- room.side[beta].agent.SyncNow(t.Context(), false) }()
		time.Sleep(time.Second)
		room.side[beta].data.fail(nil)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		room.side[beta].data.fail(ErrWithheld)
		if err := room.side[beta].agent.SyncNow(t.Context(), false); !errors.Is(err, ErrWithheld) {
			t.Errorf("a primary that never offers: %v", err)
		}
	})
}
