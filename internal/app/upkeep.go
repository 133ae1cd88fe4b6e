package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"baton/internal/memory"
	"baton/internal/pair"
	"baton/internal/tick"
)

// How often things are looked at.
const (
	choresEvery = 3 * time.Second
	renewEvery  = time.Minute // the site's certificate
)

// chore is what is done now and then.
type chore struct {
	every time.Duration
	now   <-chan struct{} // has it done at once; nil: nothing does
	do    func(context.Context)
}

// chores are to look whether the data of a backup is whole, to merge the histories of both
// appliances while they reach each other, to look at the room in data_dir and at the addresses of listen, to end a maintenance in
// time, to give unused memory back, and to renew the site's certificate if it was made here.
func (a *Appliance) chores() []chore {
	unused := &memory.Unused{}
	return []chore{
		{every: choresEvery, do: a.mend},
		{every: choresEvery, do: a.engine.TendPoints},
		{every: choresEvery, now: a.exchange.Outdated, do: a.exchangeAll},
		{every: choresEvery, do: func(context.Context) { a.room.Measure() }},
		{every: choresEvery, do: func(context.Context) { a.listening.Look() }},
		{every: choresEvery, do: a.acts.upkeep.EndOverdue},
		{every: choresEvery, do: func(context.Context) { unused.GiveBack() }},
		{every: renewEvery, do: a.renewCertificate},
	}
}

// keepUp does chores until ctx ends. Each goes on beside the others: a disk that hangs delays only the one
// that looks at it.
func keepUp(ctx context.Context, chores []chore) {
	var all sync.WaitGroup
	for _, c := range chores {
		all.Go(func() { c.run(ctx) })
	}
	all.Wait()
}

func (c chore) run(ctx context.Context) {
	ticker := tick.Every(c.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.now:
		case <-ticker.C:
		}
		c.do(ctx)
	}
}

func (a *Appliance) exchangeAll(ctx context.Context) {
	if a.agent.Decision().State.Record.Role == pair.Backup {
		a.exchange.All(ctx)
	}
}

func (a *Appliance) renewCertificate(ctx context.Context) {
	if err := a.acts.certificates.Renew(ctx, time.Now()); err != nil {
		a.log.Error("the site's certificate is not renewed", slog.String("error", err.Error()))
	}
}
