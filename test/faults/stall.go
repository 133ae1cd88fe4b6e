package main

import (
	"context"
	"time"
)

// stall is what a machine that is busy with other things does to everybody on it.
type stall struct {
	longest time.Duration // a program that was ready to run waited for a processor
}

// watchStalls looks how long the machine lets a ready program wait, until the
// function that it returns is called.
func watchStalls(ctx context.Context) func() stall {
	ctx, cancel := context.WithCancel(ctx)
	seen := make(chan stall, 1)
	go func() {
		const nap = 5 * time.Millisecond
		var s stall
		for before := time.Now(); rest(ctx, nap) == nil; before = time.Now() {
			s.longest = max(s.longest, time.Since(before)-nap)
		}
		seen <- s
	}()
	return func() stall { cancel(); return <-seen }
}
