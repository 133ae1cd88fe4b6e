package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"baton/internal/config"
	"baton/internal/front"
	"baton/internal/pair"
)

// doors are all the ways into the site: one for every address it listens on.
type doors []*front.Front

func newDoors(c config.Config, log *slog.Logger) doors {
	if c.Site == nil {
		return doors{front.New("", c.Name, log)} // the one behind the console's port
	}
	made := doors{front.New(c.Site.Root, c.Name, log)}
	for range c.Site.Listen {
		made = append(made, front.New(c.Site.Root, c.Name, log))
	}
	return made
}

// console is the door behind the console's port.
func (d doors) console() *front.Front { return d[0] }

// Open lets requests in.
func (d doors) Open() { d.each((*front.Front).Open) }

// Hold makes them wait.
func (d doors) Hold() { d.each((*front.Front).Hold) }

// Dismiss answers those that wait.
func (d doors) Dismiss(ctx context.Context) {
	var answering sync.WaitGroup
	for _, f := range d {
		answering.Go(func() { f.Dismiss(ctx) })
	}
	answering.Wait()
}

// Close turns them away.
func (d doors) Close() { d.each((*front.Front).Close) }

// present changes the public page of all.
func (d doors) present(site pair.Site) error {
	var failed []error
	for _, f := range d {
		failed = append(failed, f.Present(site))
	}
	return errors.Join(failed...)
}

func (d doors) each(move func(*front.Front)) {
	for _, f := range d {
		move(f)
	}
}
