package copies

import (
	"context"

	"baton/internal/act"
	"baton/internal/kept"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
)

// Compare implements api.DivergedCopies.
func (d *Diverged) Compare(ctx context.Context) (kept.Comparison, error) {
	there, paired := d.Link.Paired()
	if !paired {
		return kept.Comparison{}, act.Failure(peer.ErrNotPaired)
	}
	compared, err := d.Engine.Sides.Compare(ctx, d.Link.Bulk(), "https://peer"+wire.Prefix, d.backup())
	compared.Here, compared.There = d.Name, there.Name
	return compared, act.Failure(err)
}

// backup tells which side is the backup of the other. In a conflict neither is, whatever their roles.
func (d *Diverged) backup() kept.Side {
	state := d.Agent.Decision().State
	here, there := state.Record, state.Peer
	switch {
	case here.Epoch != there.Epoch || state.Phase == pair.Conflict || there.Phase == pair.Conflict:
		return kept.Neither
	case here.Role == pair.Backup && there.Role == pair.Primary:
		return kept.Here
	case here.Role == pair.Primary && there.Role == pair.Backup:
		return kept.There
	}
	return kept.Neither
}
