// Package tick has what is done regularly done at the same moment: a machine that wakes once
// for ten small things uses less of its processor than one that wakes ten times.
package tick

import (
	"sync"
	"time"
)

// Ticker ticks when the others of its interval do: at the multiples of it.
type Ticker struct {
	C <-chan time.Time // holds one tick; others are dropped, as of a [time.Ticker]

	interval time.Duration
	mu       sync.Mutex
	timer    *time.Timer // nil: it is stopped
}

// Every returns a ticker whose first tick comes within one interval.
func Every(interval time.Duration) *Ticker {
	c := make(chan time.Time, 1)
	t := &Ticker{C: c, interval: interval}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = time.AfterFunc(left(time.Now(), interval), func() { t.tick(c) })
	return t
}

func (t *Ticker) tick(c chan<- time.Time) {
	now := time.Now()
	select {
	case c <- now:
	default:
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer == nil {
		return
	}
	next := left(now, t.interval)
	if next < t.interval/2 { // the wall clock goes slower than the timer
		next += t.interval
	}
	t.timer.Reset(next)
}

// Stop ends the ticks.
func (t *Ticker) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}

// left is how long it takes until the next multiple of the interval. After a step of the wall clock, tickers tick at another moment
// than before, all of them.
func left(now time.Time, interval time.Duration) time.Duration {
	return interval - time.Duration(now.UnixNano())%interval
}
