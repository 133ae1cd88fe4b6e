package agent

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"baton/internal/pair"
)

// tallyFor is for how long automatic data syncs are summed into one event: those
// of a continuous schedule, one a second, must not fill a history that is kept
// for ever.
const tallyFor = 5 * time.Minute

// tally writes data syncs into the history. It writes at once a sync that was asked for, one
// that ends otherwise than the one before, and the first for a while. It sums up the
// automatic ones that follow.
type tally struct {
	history History

	mu   sync.Mutex
	told sum       // newest event
	at   time.Time // of it
	more sum       // that followed; not told yet
}

// sum is what data syncs that ended alike add up to.
type sum struct {
	failure     string // empty: they are done
	cause       string // of the failure, as a library words it
	asked       bool   // not by the schedule: told at once
	runs        int
	first, last uint64 // numbers of their snapshots
	files       int64
	bytes       int64
	took        time.Duration // all together
	longest     time.Duration
}

// add counts one data sync that has just ended.
func (t *tally) add(now time.Time, s sum) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.runs, s.longest = 1, s.took
	recent := t.told.runs > 0 && now.Sub(t.at) < tallyFor
	if !s.asked && recent && s.failure == t.told.failure {
		t.more = t.more.plus(s)
		return
	}
	t.tell(now, t.more)
	t.tell(now, s)
}

// due tells what has waited for long enough.
func (t *tally) due(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.at) >= tallyFor {
		t.tell(now, t.more)
	}
}

// end tells what is left: no syncs follow for now.
func (t *tally) end(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tell(now, t.more)
	t.told = sum{}
}

// tell writes an event. It expects the lock to be held.
func (t *tally) tell(now time.Time, s sum) {
	if s.runs == 0 {
		return
	}
	t.told, t.at, t.more = s, now, sum{}
	t.history.Record(s.event())
}

func (s sum) plus(other sum) sum {
	if s.runs == 0 {
		return other
	}
	s.runs += other.runs
	s.last = other.last
	s.files += other.files
	s.bytes += other.bytes
	s.took += other.took
	s.longest = max(s.longest, other.longest)
	return s
}

func (s sum) event() pair.Event {
	event := pair.Event{Kind: pair.KindSyncDone, Text: s.sentence(), Detail: map[string]string{
		"runs": strconv.Itoa(s.runs), "took": s.took.String(), "duration_ms": millis(s.took), "longest_ms": millis(s.longest),
	}}
	if s.failure != "" {
		event.Kind = pair.KindSyncFailed
		if s.cause != "" {
			event.Detail[pair.DetailCause] = s.cause
		}
		return event
	}
	event.Detail["number"] = strconv.FormatUint(s.last, 10)
	event.Detail["files"], event.Detail["bytes"] = strconv.FormatInt(s.files, 10), strconv.FormatInt(s.bytes, 10)
	return event
}

func (s sum) sentence() string {
	switch {
	case s.failure != "" && s.runs == 1:
		return ending("The data sync failed: " + s.failure)
	case s.failure != "":
		return ending(fmt.Sprintf("The data sync failed %d more times: %s", s.runs, s.failure))
	case s.runs == 1:
		return fmt.Sprintf("Data sync %d is complete and verified.", s.last)
	}
	return fmt.Sprintf("%d data syncs, %d to %d, are complete and verified.", s.runs, s.first, s.last)
}

// ending ends a text with one full stop.
func ending(text string) string { return strings.TrimRight(text, ". ") + "." }
