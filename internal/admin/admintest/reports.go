package admintest

import (
	"context"
	"time"

	"baton/internal/pair"
)

// Happened appends an event of either appliance, as of a time of its own.
func (a *Appliance) Happened(event pair.Event) {
	ctx := context.Background()
	if event.Time.After(a.newest) {
		a.newest = event.Time
	}
	var err error
	if event.Appliance == ID {
		_, err = a.store.History.Append(ctx, event)
	} else {
		heads, failure := a.store.History.Heads(ctx)
		if failure != nil {
			a.fail(failure)
		}
		event.ID = pair.EventID(event.Appliance, heads[event.Appliance]+1)
		_, err = a.store.History.Merge(ctx, []pair.Event{event})
	}
	if err != nil {
		a.fail(err)
	}
}

// now is the newest instant that has come to pass here.
func (a *Appliance) now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.newest
}
