package app

import (
	"context"

	"baton/internal/act"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer/wire"
)

// unsyncedAsked answers the backup's question.
func (a *Appliance) unsyncedAsked(ctx context.Context, _ wire.Plain) (wire.Unsynced, error) {
	if a.agent.Look().State.Record.Role != pair.Primary {
		return wire.Unsynced{}, act.Remote(pair.Refuse(pair.Refused, "%w", failover.NotServing))
	}
	return a.preflight.CountUnsynced(ctx)
}
