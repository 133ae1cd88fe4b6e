package agent

import (
	"fmt"
	"sync"
	"time"

	"baton/internal/pair"
)

// How often one change of role or condition is written into the history, which is
// kept for ever: a state that repeats itself each second must not fill it.
const (
	repeatsFor = time.Hour
	repeats    = 20               // within repeatsFor they are all written
	repeatRest = 10 * time.Minute // then one for so long, with the number of those left out
)

// rateLimited is a history that writes an event that repeats itself only now and then.
type rateLimited struct {
	History
	wall func() time.Time

	mu   sync.Mutex
	seen map[string]*repeated
}

// repeated is one kind of event that may repeat itself.
type repeated struct {
	since   time.Time // begin of the time in which written counts
	written int
	newest  time.Time // that was written
	left    int       // left out since
}

func newRateLimited(history History, wall func() time.Time) *rateLimited {
	return &rateLimited{History: history, wall: wall, seen: map[string]*repeated{}}
}

// Record implements History. What is no change of role and no condition is written
// as it comes: data syncs are summed already, and commands are a person's.
func (s *rateLimited) Record(event pair.Event) {
	if event.Detail["from"] == "" && event.Detail["condition"] == "" {
		s.History.Record(event)
		return
	}
	key := event.Kind + event.Detail["from"] + event.Detail["to"] + event.Detail["reason"] + event.Detail["condition"]
	left, write := s.take(key, s.wall())
	if !write {
		return
	}
	if left > 0 {
		event.Text += fmt.Sprintf(" (This happened %d more times since it was last written.)", left)
	}
	s.History.Record(event)
}

// take counts an event, and reports whether it is to be written, and how many like
// it were left out before.
func (s *rateLimited) take(key string, now time.Time) (left int, write bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.seen[key]
	if r == nil || now.Sub(r.newest) >= repeatsFor {
		r = &repeated{since: now}
		s.forget(now)
		s.seen[key] = r
	}
	if now.Sub(r.since) >= repeatsFor {
		r.since, r.written = now, 0
	}
	if r.written >= repeats && now.Sub(r.newest) < repeatRest {
		r.left++
		return 0, false
	}
	left = r.left
	r.written, r.newest, r.left = r.written+1, now, 0
	return left, true
}

// forget drops what has not repeated itself for long.
func (s *rateLimited) forget(now time.Time) {
	for key, r := range s.seen {
		if now.Sub(r.newest) >= repeatsFor {
			delete(s.seen, key)
		}
	}
}
