package api

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bounds on failed authentications: per source (an IPv4 address, an IPv6 /64) a
// burst, then one every few seconds.
const (
	guessBurst    = 10
	guessInterval = 6 * time.Second
	maxSources    = 4096 // remembered at once; the least interesting goes first
)

// guesses counts failed authentications by source.
type guesses struct {
	now     func() time.Time
	mu      sync.Mutex
	sources map[netip.Prefix]*rate.Limiter
}

func newGuesses(now func() time.Time) *guesses {
	return &guesses{now: now, sources: map[netip.Prefix]*rate.Limiter{}}
}

// allowed reports whether the source may try again.
func (g *guesses) allowed(from netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	limiter, known := g.sources[sourceOf(from)]
	return !known || limiter.TokensAt(g.now()) >= 1
}

// failed counts one failed try.
func (g *guesses) failed(from netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	source := sourceOf(from)
	limiter, known := g.sources[source]
	if !known {
		g.makeRoom()
		limiter = rate.NewLimiter(rate.Every(guessInterval), guessBurst)
		g.sources[source] = limiter
	}
	limiter.AllowN(g.now(), 1)
}

// makeRoom forgets the sources that have been quiet, and if all are loud, the
// one with the fewest failures.
func (g *guesses) makeRoom() {
	if len(g.sources) < maxSources {
		return
	}
	var quietest netip.Prefix
	most := -1.0
	for source, limiter := range g.sources {
		left := limiter.TokensAt(g.now())
		if left >= guessBurst {
			delete(g.sources, source)
		}
		if left > most {
			quietest, most = source, left
		}
	}
	delete(g.sources, quietest)
}

func sourceOf(from netip.Addr) netip.Prefix {
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
