package listen

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"baton/internal/config"
	"baton/internal/failover"
	"baton/internal/front"
	"baton/internal/pair"
)

// Doors are all the ways into the site: one for every address it listens on.
type Doors []*front.Front

// NewDoors makes them, closed.
func NewDoors(c config.Config, log *slog.Logger) Doors {
	if c.Site == nil {
		return Doors{front.New("", c.Name, failover.HeldLimit, log)} // the one behind the console's port
	}
	made := Doors{front.New(c.Site.Root, c.Name, failover.HeldLimit, log)}
	for range c.Site.Listen {
		made = append(made, front.New(c.Site.Root, c.Name, failover.HeldLimit, log))
	}
	return made
}

// Console is the door behind the console's port.
func (d Doors) Console() *front.Front { return d[0] }

// Open lets requests in.
func (d Doors) Open() { d.each((*front.Front).Open) }

// Hold makes them wait, and waits for those that run. The error says how many still do
// when ctx ends.
func (d Doors) Hold(ctx context.Context) error {
	var draining sync.WaitGroup
	left := make([]error, len(d))
	for i, f := range d {
		draining.Go(func() { left[i] = f.Hold(ctx) })
	}
	draining.Wait()
	var all front.RunningError
	for _, err := range left {
		if some, running := errors.AsType[front.RunningError](err); running {
			all += some
		}
	}
	if all == 0 {
		return nil
	}
	return all
}

// Dismiss answers those that wait.
func (d Doors) Dismiss(ctx context.Context) {
	var answering sync.WaitGroup
	for _, f := range d {
		answering.Go(func() { f.Dismiss(ctx) })
	}
	answering.Wait()
}

// Close turns them away.
func (d Doors) Close() { d.each((*front.Front).Close) }

// setPage changes the public page of all.
func (d Doors) setPage(site pair.Site) error {
	var failed []error
	for _, f := range d {
		failed = append(failed, f.SetPage(site))
	}
	return errors.Join(failed...)
}

func (d Doors) each(move func(*front.Front)) {
	for _, f := range d {
		move(f)
	}
}
