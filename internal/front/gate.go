package front

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxHeld bounds how many requests are held: more are turned away.
const maxHeld = 1000

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

	mu       sync.Mutex // guards all
	position position
	moved    chan struct{} // closed and replaced at each move
	held     int           // requests that wait, or are dismissed and not yet answered
	none     chan struct{} // closed while held is 0
	passed   int           // requests that passed and have not ended
	idle     chan struct{} // closed while passed is 0
}

func newGate(longest time.Duration) *gate {
	ended := make(chan struct{})
	close(ended)
	return &gate{longest: longest, moved: make(chan struct{}), idle: ended, none: ended}
}

// move puts the gate into a position and wakes those that wait.
func (g *gate) move(to position) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.moveLocked(to)
}

// hold is move to holding, unless ctx was cancelled before: then the gate has been moved
// again since.
func (g *gate) hold(ctx context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !errors.Is(ctx.Err(), context.Canceled) {
		g.moveLocked(holding)
	}
}

func (g *gate) moveLocked(to position) {
	if g.position == to {
		return
	}
	g.position = to
	close(g.moved)
	g.moved = make(chan struct{})
}

// enter waits until the request may pass or must not. After pass or passOn, leave must
// be called; after dismiss, dismissed.
func (g *gate) enter(ctx context.Context) verdict {
	ctx, cancel := context.WithTimeout(ctx, g.longest)
	defer cancel()
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.position == open:
		g.count()
		return pass
	case g.position == forwarding:
		g.count()
		return passOn
	case g.position != holding || g.held >= maxHeld:
		return turnAway
	}
	if g.held == 0 {
		g.none = make(chan struct{})
	}
	g.held++
	for g.position == holding {
		if !g.wait(ctx) {
			g.holdOneLess()
			return turnAway
		}
	}
	if g.position == dismissing {
		return dismiss
	}
	g.holdOneLess()
	if g.position == closed {
		return cutOff
	}
	g.count()
	if g.position == forwarding {
		return passOn
	}
	return pass
}

func (g *gate) holdOneLess() {
	g.held--
	if g.held == 0 {
		close(g.none)
	}
}

// dismissed ends a request that was held and has its answer.
func (g *gate) dismissed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holdOneLess()
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

func (g *gate) count() {
	if g.passed == 0 {
		g.idle = make(chan struct{})
	}
	g.passed++
}

// leave ends a request that passed.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passed--
	if g.passed == 0 {
		close(g.idle)
	}
}

// running returns how many requests have passed and not ended, and a channel
// that is closed once there are none.
func (g *gate) running() (int, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.passed, g.idle
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
