package front

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of what is held: more is turned away. 200 requests a second for as long as one is
// held at most are 2,000.
const (
	maxHeld      = 10_000
	maxHeldBytes = 64 << 20 // of their heads in memory
)

// position of the gate.
type position uint8

const (
	closed     position = iota // requests are turned away
	open                       // requests pass
	holding                    // requests wait
	forwarding                 // requests pass, those that were held as well, to be answered by the peer
	dismissing                 // requests are turned away, those that were held as well
)

// verdict on one request.
type verdict uint8

const (
	pass     verdict = iota
	passOn           // the peer answers it
	turnAway         // not the primary, or too many, or too long: answer 503
	cutOff           // was held when the gate closed: end the connection, the client tries again elsewhere
	dismiss          // was held when those held were dismissed: answer 503, then call dismissed
)

// gate lets requests pass, wait or not.
type gate struct {
	longest time.Duration // that a request is held

	isOpen   atomic.Bool // position is open, for every answer to ask
	mu       sync.Mutex  // guards all below
	position position
	moved    chan struct{}    // closed and replaced at each move
	held     int              // requests that wait, or are dismissed and not yet answered
	bytes    int              // of the heads of these
	none     chan struct{}    // closed while held is 0
	passed   map[*answer]bool // answers to requests that passed and have not ended
	endless  int              // how many of these do not end by themselves
	ending   chan struct{}    // closed once these are to end
	ended    chan struct{}    // closed and replaced when an answer ends, if somebody waits; nil: nobody does
}

func newGate(longest time.Duration) *gate {
	none := make(chan struct{})
	close(none)
	return &gate{longest: longest, moved: make(chan struct{}), none: none, passed: map[*answer]bool{}}
}

// move puts the gate into a position and wakes those that wait.
func (g *gate) move(to position) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.moveLocked(to)
}

// moveFor is move, unless ctx was cancelled before: then the gate has been moved again since.
func (g *gate) moveFor(ctx context.Context, to position) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !errors.Is(ctx.Err(), context.Canceled) {
		g.moveLocked(to)
	}
}

func (g *gate) moveLocked(to position) {
	if g.position == to {
		return
	}
	if g.position == open {
		g.endLocked()
	}
	if to == open {
		g.ending = make(chan struct{})
	}
	g.position = to
	g.isOpen.Store(to == open)
	close(g.moved)
	g.moved = make(chan struct{})
}

// enter waits until the request may pass or must not; size is how many bytes its head
// takes. After pass or passOn, leave must be called; after dismiss, dismissed.
func (g *gate) enter(ctx context.Context, a *answer, size func() int) verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.position == open {
		g.let(a)
		return pass
	}
	if g.position == forwarding {
		g.let(a)
		return passOn
	}
	bytes := size()
	if g.position != holding || g.held >= maxHeld || g.bytes+bytes > maxHeldBytes {
		return turnAway
	}
	a.size = bytes
	ctx, cancel := context.WithTimeout(ctx, g.longest)
	defer cancel()
	if g.held == 0 {
		g.none = make(chan struct{})
	}
	g.held++
	g.bytes += bytes
	for g.position == holding {
		if !g.wait(ctx) {
			g.holdOneLess(a)
			return turnAway
		}
	}
	if g.position == dismissing {
		return dismiss
	}
	g.holdOneLess(a)
	if g.position == closed {
		return cutOff
	}
	g.let(a)
	if g.position == forwarding {
		return passOn
	}
	return pass
}

func (g *gate) holdOneLess(a *answer) {
	g.held--
	g.bytes -= a.size
	if g.held == 0 {
		close(g.none)
	}
}

// dismissed ends a request that was held and has its answer.
func (g *gate) dismissed(a *answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holdOneLess(a)
}

// noneHeld returns a channel that is closed once no request is held.
func (g *gate) noneHeld() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.none
}

// wait sleeps until the gate moves; false if ctx ended first. The mutex is
// held before and after, not in between.
func (g *gate) wait(ctx context.Context) bool {
	moved := g.moved
	g.mu.Unlock()
	defer g.mu.Lock()
	select {
	case <-moved:
		return true
	case <-ctx.Done():
		return false
	}
}

func (g *gate) let(a *answer) {
	a.ending = g.ending
	g.passed[a] = true
}

// leave ends a request that passed.
func (g *gate) leave(a *answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.passed, a)
	if a.endless.Load() {
		g.endless--
	}
	if g.ended != nil {
		close(g.ended)
		g.ended = nil
	}
}

// never notes that an answer does not end by itself.
func (g *gate) never(a *answer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.passed[a] && !a.endless.Swap(true) {
		g.endless++
	}
}

// running returns how many answers have not ended, without those that do not by themselves; how many
// of these there are; and a channel that is closed once there is one less.
func (g *gate) running() (count, endless int, ended <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended == nil {
		g.ended = make(chan struct{})
	}
	count = len(g.passed) - g.endless
	if g.position == forwarding {
		count += g.held // they are about to be let
	}
	return count, g.endless, g.ended
}

// endEndless has the answers end that do not end by themselves.
func (g *gate) endEndless() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.position == open {
		g.endLocked()
	}
}

func (g *gate) endLocked() {
	select {
	case <-g.ending: // they are ending
	default:
		close(g.ending)
	}
}

// cutAll ends the answers that have not ended.
func (g *gate) cutAll() { g.cut(func(*answer) bool { return true }) }

// cutEndless ends those that do not end by themselves.
func (g *gate) cutEndless() { g.cut(func(a *answer) bool { return a.endless.Load() }) }

func (g *gate) cut(which func(*answer) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for a := range g.passed {
		if which(a) {
			a.over.Store(true)
			a.cut()
		}
	}
}

func (g *gate) now() position {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.position
}

// String renders "closed", "open", "holding", "forwarding" or "dismissing".
func (p position) String() string {
	switch p {
	case closed:
		return "closed"
	case open:
		return "open"
	case holding:
		return "holding"
	case forwarding:
		return "forwarding"
	case dismissing:
		return "dismissing"
	}
	return "unknown"
}
