// Package guesses bounds how often somebody may guess a secret.
package guesses

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxKeys bounds what is remembered at once; the least interesting goes first.
const maxKeys = 4096

// Counter counts failed tries by what they have in common, as the source or the
// account: a burst is allowed, then one at an interval. Its memory is bounded.
type Counter[K comparable] struct {
	burst    int
	interval time.Duration
	now      func() time.Time

	mu     sync.Mutex
	keys   map[K]*rate.Limiter
	trying map[K]int // tries that have begun and not ended
}

// New returns one that has counted nothing.
func New[K comparable](burst int, interval time.Duration, now func() time.Time) *Counter[K] {
	return &Counter[K]{burst: burst, interval: interval, now: now, keys: map[K]*rate.Limiter{}, trying: map[K]int{}}
}

// Allowed reports whether another try may be made.
func (g *Counter[K]) Allowed(key K) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	limiter, known := g.keys[key]
	return !known || limiter.TokensAt(g.now()) >= 1
}

// Begin is Allowed for a try that takes a while: those that run count as failed
// until they end, so that many at a time are no more than one after the other. Who
// calls it ends the try, after Failed if it failed.
func (g *Counter[K]) Begin(key K) (end func(), allowed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	left := float64(g.burst)
	if limiter, known := g.keys[key]; known {
		left = limiter.TokensAt(g.now())
	}
	if left-float64(g.trying[key]) < 1 {
		return nil, false
	}
	g.trying[key]++
	return func() { g.end(key) }, true
}

func (g *Counter[K]) end(key K) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.trying[key]--; g.trying[key] == 0 {
		delete(g.trying, key)
	}
}

// Failed counts one failed try.
func (g *Counter[K]) Failed(key K) {
	g.mu.Lock()
	defer g.mu.Unlock()
	limiter, known := g.keys[key]
	if !known {
		g.makeRoom()
		limiter = rate.NewLimiter(rate.Every(g.interval), g.burst)
		g.keys[key] = limiter
	}
	limiter.AllowN(g.now(), 1)
}

// makeRoom forgets the keys that have been quiet, and if all are loud, the one
// with the fewest failures.
func (g *Counter[K]) makeRoom() {
	if len(g.keys) < maxKeys {
		return
	}
	var quietest K
	most := -1.0
	for key, limiter := range g.keys {
		left := limiter.TokensAt(g.now())
		if left >= float64(g.burst) {
			delete(g.keys, key)
		}
		if left > most {
			quietest, most = key, left
		}
	}
	delete(g.keys, quietest)
}

// SourceOf returns what counts as one source: an IPv4 address, an IPv6 /64.
func SourceOf(from netip.Addr) netip.Prefix {
	bits := 32
	if from.Is6() {
		bits = 64
	}
	prefix, err := from.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
