package keeper

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"baton/internal/health"
	"baton/internal/pair"
	"baton/internal/service"
)

// kept is what is known of one service on this machine.
type kept struct {
	service service.Definition
	runner  Runner

	mu     sync.Mutex
	parked bool // an operator has stopped it
	wanted bool // to run, since it is in the list
	state  State
	seen   bool          // state has been found out
	upOnce bool          // it was up since it was last to run
	down   time.Time     // since when it runs after that, and is not up; zero: it is up
	unseen error         // why its state is not known
	checks health.Judged // by its check
	runs   bool          // where it is to, so it is to pass its check
	asked  time.Time     // when its newest check began
	ends   []time.Time   // when it ended by itself, within a while
	why    string        // it ended the last time
	next   time.Time     // not started again before
	ran    time.Time     // when it was last seen to run on a backup

	starting time.Time // when a start of it began of which the history does not know yet; zero: there is none
	since    time.Time // when it began to run, or ended; zero: not known
	tally    Tally
	failing  string // how it fails, as the history was last told; empty: it does not
}

// limit is how long it may take to stop.
func (s *kept) limit() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return cmp.Or(s.state.StopLimit, LongStop)
}

// see notes how it is now.
func (s *kept) see(now time.Time, state State, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unseen = err
	if err == nil {
		if at := state.Since; !at.IsZero() {
			s.since = at
		} else if s.seen && s.state.Runs != state.Runs {
			s.since = now
		}
		s.state, s.seen = state, true
		if s.wanted && state.Up && !s.upOnce {
			s.upOnce, s.ends = true, nil // that it did not start before counts no more
		}
		switch {
		case !s.upOnce || !state.Runs || state.Up:
			s.down = time.Time{}
		case s.down.IsZero():
			s.down = now
		}
	}
}

// restarted notes how often its own manager has started it again since it was last seen, and
// reports whether it has.
func (s *kept) restarted(now time.Time, restarts int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.seen || !s.wanted {
		return false
	}
	more := max(restarts-s.state.Restarts, 0)
	for range min(more, mostEnds) {
		s.end(now, "its own manager has started it again: look at its log")
	}
	s.tally.Restarts += int64(more)
	return more > 0
}

// mostEnds bounds how many of its ends are remembered.
const mostEnds = 100

// end notes that it has ended now. The lock is held.
func (s *kept) end(now time.Time, why string) {
	all := append(s.recent(now), now)
	s.ends, s.why = all[max(0, len(all)-mostEnds):], why
}

// times says how often it has ended within a while.
func times(n int) string {
	text := fmt.Sprintf("%d times within %s", n, pair.LastingText(while))
	if n == mostEnds {
		return "at least " + text
	}
	return text
}

// recent are its ends within a while; those before are forgotten. The lock is held.
func (s *kept) recent(now time.Time) []time.Time {
	s.ends = slices.DeleteFunc(s.ends, func(at time.Time) bool { return now.Sub(at) > while })
	return s.ends
}

// begin forgets what was found while it was to run before.
func (s *kept) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	s.wanted = true
}

// starts notes when a start of it begins; zero: that none is under way.
func (s *kept) starts(at time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.starting = at
	return at
}

// forget is as if it had never been to run. The lock is held.
func (s *kept) forget() {
	s.wanted, s.upOnce, s.down = false, false, time.Time{}
	s.checks, s.runs, s.asked, s.ends, s.why, s.next = health.Judged{}, false, time.Time{}, nil, "", time.Time{}
}

// heed notes whether an operator has stopped it, as the list has it.
func (s *kept) heed(listed service.Definition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if listed.Parked && !s.parked {
		s.forget()
	}
	s.parked = listed.Parked
}

func (s *kept) isParked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parked
}

// begun reports whether it was ever to run here.
func (s *kept) begun() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted
}

// answers notes whether it is to pass its check.
func (s *kept) answers(runs bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = runs
}

// checkAt is when its next check is due, if one is.
func (s *kept) checkAt() (due time.Time, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked.Add(s.service.Pace.OrUsual().Every), s.runs && !s.service.Check.IsZero()
}

// checked notes when a check of it has begun.
func (s *kept) checked(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = now
}

// judge takes in one result of its check, and returns why it fails, if it is sick.
func (s *kept) judge(failed error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks.Take(s.service.Pace, failed)
	return s.checks.Why()
}

// findSick takes it for sick without further checks.
func (s *kept) findSick(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks.Find(why)
}

// follow takes over what is known of a service by a service that differs in its check alone. A check
// of the one before may still be under way.
func (s *kept) follow(before *kept) {
	before.mu.Lock()
	defer before.mu.Unlock()
	s.wanted, s.state, s.seen, s.upOnce, s.unseen = before.wanted, before.state, before.seen, before.upOnce, before.unseen
	s.down = before.down
	s.ends, s.why, s.next, s.ran, s.parked = slices.Clone(before.ends), before.why, before.next, before.ran, before.parked
	s.starting, s.since, s.tally = before.starting, before.since, before.tally
}

// ended notes that it has ended by itself, and reports whether it is time to start it again.
func (s *kept) ended(now time.Time, why string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parked || now.Before(s.next) {
		return false
	}
	s.end(now, why)
	pause := firstPause << min(len(s.ends)-1, 5)
	s.next = now.Add(min(pause, lastPause))
	return true
}

// notStarted notes why it was not started again.
func (s *kept) notStarted(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.why = why.Error()
}

// ranHere notes that it ran where it is not to run.
func (s *kept) ranHere(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ran = now
}

// verdict says why it is sick, or that it is not, and whether that is known. One that has never come up,
// since it was added while the site was up, is not what the site is: it makes it no sicker.
func (s *kept) verdict(now time.Time) (sick string, judged bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parked {
		return "", true
	}
	if n := len(s.recent(now)); n >= tooOften && s.upOnce {
		return fmt.Sprintf("it has ended %s: %s", times(n), s.why), true
	}
	if why := s.checks.Why(); why != nil {
		return why.Error(), true
	}
	if !s.down.IsZero() && now.Sub(s.down) >= startLimit {
		return fmt.Sprintf("%s, for more than %s", notUp, pair.LastingText(startLimit)), true
	}
	return "", s.checks.Judged() || s.service.Check.IsZero()
}

// notUp is of a service that its own manager has not started again yet.
const notUp = "it is not up: it has ended, and its own manager is starting it or waits before it does"

// ended says that a service that was to run does not.
func (s State) ended() string { return cmp.Or(s.Hindered, s.Failed, "it has ended: look at its log") }
