package peer

import (
	"sync"
	"time"
)

// guard limits how often somebody may guess the key of this appliance: one token bucket for
// all, and for each source that guessed wrong a pause that grows. A right guess costs
// nothing.
type guard struct {
	burst    float64       // guesses in a row
	refill   time.Duration // time until one more is allowed
	pause    time.Duration // after the first wrong guess of a source, doubled by each further one; 0: no pauses
	maxPause time.Duration

	mu      sync.Mutex
	tokens  float64
	at      time.Time // when tokens was right
	sources map[string]penalty
}

type penalty struct {
	failures int
	until    time.Time
}

const maxSources = 1024 // remembered; for more sources the bucket alone is the limit

// strangersGuard is for appliances that are not pinned: ten guesses at once, then ten a
// minute from all of them, and down to one in five minutes from one source.
func strangersGuard() *guard {
	return &guard{burst: 10, refill: 6 * time.Second, pause: time.Second, maxPause: 5 * time.Minute, tokens: 10, sources: map[string]penalty{}}
}

// pinnedGuard is for the appliance with the pinned identity. Strangers can neither use nor
// drain it, and a typing error must not lock the peer out for long.
func pinnedGuard() *guard {
	return &guard{burst: 10, refill: time.Second, tokens: 10, sources: map[string]penalty{}}
}

// take claims one guess for a source, before the guess is checked. If it was right,
// giveBack returns it.
func (g *guard) take(source string, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.check(source, now); err != nil {
		return err
	}
	g.tokens--
	g.punish(source, now)
	return nil
}

// open reports whether a guess of source would be admitted.
func (g *guard) open(source string, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.check(source, now)
}

func (g *guard) check(source string, now time.Time) error {
	g.fill(now)
	if g.tokens < 1 || now.Before(g.sources[source].until) {
		return ErrThrottled
	}
	return nil
}

// giveBack undoes take after a right guess, and forgets the wrong guesses of the source before it.
func (g *guard) giveBack(source string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tokens = min(g.burst, g.tokens+1)
	delete(g.sources, source)
}

// reset forgets everything: an administrator saved a key.
func (g *guard) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tokens = g.burst
	clear(g.sources)
}

func (g *guard) fill(now time.Time) {
	if !g.at.IsZero() {
		g.tokens = min(g.burst, g.tokens+float64(now.Sub(g.at))/float64(g.refill))
	}
	g.at = now
}

func (g *guard) punish(source string, now time.Time) {
	if g.pause == 0 {
		return
	}
	g.forget(now)
	before, known := g.sources[source]
	if !known && len(g.sources) >= maxSources {
		return
	}
	wait := min(g.pause<<min(before.failures, 20), g.maxPause)
	g.sources[source] = penalty{failures: before.failures + 1, until: now.Add(wait)}
}

// forget drops the sources that have been quiet for long.
func (g *guard) forget(now time.Time) {
	for source, p := range g.sources {
		if now.Sub(p.until) > 2*g.maxPause {
			delete(g.sources, source)
		}
	}
}
