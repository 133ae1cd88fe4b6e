package app

import (
	"context"
	"log/slog"
	"time"

	"baton/internal/pair"
)

// renewEvery is how often the site's certificate is looked at.
const renewEvery = time.Minute

// upkeep does what is to be done now and then: it merges the histories of both
// appliances while they reach each other, looks at the room in data_dir, ends a maintenance in time, gives unused
// memory back, and renews the site's certificate if it was made here.
func (a *Appliance) upkeep(ctx context.Context) error {
	const often = 3 * time.Second
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	renewals := time.NewTicker(renewEvery)
	defer renewals.Stop()
	unused := &memory{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-renewals.C:
			if err := a.acts.certificates.Renew(ctx, now); err != nil {
				a.log.Error("the site's certificate is not renewed", slog.String("error", err.Error()))
			}
			continue
		case <-a.exchange.Outdated:
		case <-ticker.C:
		}
		a.mend(ctx)
		if a.agent.Decision().State.Record.Role == pair.Backup {
			a.exchange.All(ctx)
		}
		a.room.Measure()
		a.acts.upkeep.EndOverdue(ctx)
		unused.tidy()
	}
}
