package admintest

import (
	"context"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/store"
)

// overview tells of the appliance what a test has said.
type overview struct{ made *Appliance }

// Status implements api.Overview.
func (o overview) Status(context.Context) (pair.Status, error) {
	o.made.mu.Lock()
	defer o.made.mu.Unlock()
	return o.made.status, nil
}

// WatchStatus implements api.Overview.
func (o overview) WatchStatus(ctx context.Context, send func(pair.Status) error) error {
	for {
		o.made.mu.Lock()
		status, changed := o.made.status, o.made.changed
		o.made.mu.Unlock()
		if err := send(status); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Health implements api.Overview.
func (o overview) Health(context.Context) api.Health {
	o.made.mu.Lock()
	defer o.made.mu.Unlock()
	if o.made.status.Role == pair.Primary && o.made.status.State == pair.Steady {
		return api.Health{Serving: true, Text: "alpha is primary and serves the site."}
	}
	return api.Health{Text: "alpha is " + o.made.status.Role.String() + ": another appliance serves the site."}
}

// Figures implements api.Overview.
func (o overview) Figures(context.Context) (api.Figures, error) {
	o.made.mu.Lock()
	defer o.made.mu.Unlock()
	return o.made.figures, nil
}

// History implements api.Overview.
func (o overview) History(ctx context.Context, filter api.HistoryFilter) ([]pair.Event, error) {
	events, err := o.made.store.History.Events(ctx, store.Filter{Since: filter.Since, Until: filter.Until, Kinds: filter.Kinds, Limit: max(filter.Limit, 1)})
	return events, act.Failure(err)
}
