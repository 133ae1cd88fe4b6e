package listen

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"baton/internal/config"
	"baton/internal/failover"
	"baton/internal/front"
	"baton/internal/front/static"
	"baton/internal/pair"
)

// Doors are all the ways into the site: one for every address it listens on, and the one
// behind the console's port. Behind all of them is the same site.
type Doors struct {
	site site
	all  []*front.Front // the first is the one behind the console's port
}

// site is what serves the site.
type site interface {
	http.Handler
	SetPage(page pair.Site) error
}

// NewDoors makes them, closed.
func NewDoors(c config.Config, log *slog.Logger) Doors {
	d := Doors{site: static.New("", log)}
	addresses := 0
	if c.Site != nil {
		d.site, addresses = static.New(c.Site.Root, log), len(c.Site.Listen)
	}
	for range 1 + addresses {
		d.all = append(d.all, front.New(c.Name, d.site, failover.HeldLimit, log))
	}
	return d
}

// Console is the door behind the console's port.
func (d Doors) Console() *front.Front { return d.all[0] }

// Open lets requests in.
func (d Doors) Open() { d.each((*front.Front).Open) }

// Hold makes them wait, and waits for those that run. The error says how many still do
// when ctx ends.
func (d Doors) Hold(ctx context.Context) error {
	var draining sync.WaitGroup
	left := make([]error, len(d.all))
	for i, f := range d.all {
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
	for _, f := range d.all {
		answering.Go(func() { f.Dismiss(ctx) })
	}
	answering.Wait()
}

// Close turns them away.
func (d Doors) Close() { d.each((*front.Front).Close) }

func (d Doors) each(move func(*front.Front)) {
	for _, f := range d.all {
		move(f)
	}
}
