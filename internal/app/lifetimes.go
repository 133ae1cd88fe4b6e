package app

import (
	"context"
	"errors"
	"sync"
	"time"
)

// lifetimes extends those of addresses beside the agent's loop, one extension at a
// time, each begun by the loop: a loop that hangs extends nothing.
type lifetimes struct {
	mu      sync.Mutex
	turn    uint64    // rises whenever what was begun before must not be done any more
	running bool      // an extension is under way
	began   time.Time // when
	failed  error     // of the newest that ended
	waiting sync.WaitGroup
}

var errExtending = errors.New("the kernel has not extended the lifetime of the shared IP yet: another program changes interfaces")

// extend begins an extension unless one is under way, and returns what came of the
// one before; an error, too, if it has taken for longer than the lifetime, which the kernel
// counts in whole seconds: a short lease is no reason to give an address up that is still on.
func (l *lifetimes) extend(ctx context.Context, length time.Duration, set func(ctx context.Context, due func() bool) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running {
		if time.Since(l.began) > max(length, time.Second) {
			return errExtending
		}
		return l.failed
	}
	turn := l.turn
	l.running, l.began = true, time.Now()
	l.waiting.Go(func() {
		err := set(ctx, func() bool { return l.due(turn) })
		l.mu.Lock()
		defer l.mu.Unlock()
		l.running, l.failed = false, nil
		if l.turn == turn {
			l.failed = err
		}
	})
	return l.failed
}

func (l *lifetimes) due(turn uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.turn == turn
}

// drop makes an extension that has not been done yet do nothing.
func (l *lifetimes) drop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn++
	l.failed = nil
}

// wait returns when none is under way.
func (l *lifetimes) wait() { l.waiting.Wait() }
