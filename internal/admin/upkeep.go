package admin

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"baton/internal/act"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/status"
)

// Upkeep implements api.Upkeep.
type Upkeep struct {
	*status.Checks

	Agent act.Agent
	Link  act.Link
	Audit act.Audit
	Log   *slog.Logger
}

// StartMaintenance implements api.Upkeep.
func (u *Upkeep) StartMaintenance(ctx context.Context, lasting time.Duration) error {
	var until int64
	if lasting > 0 {
		until = time.Now().Add(lasting).Unix()
	}
	if err := u.Agent.Do(ctx, failover.SetMaintenance{On: true, Until: until}); err != nil {
		return act.Failure(err)
	}
	u.Audit.Note(ctx, "started maintenance")
	return u.Overview.Acknowledged(ctx, "maintenance is on", func(decision agent.Decision) bool { return decision.State.Record.Maintenance })
}

// EndMaintenance implements api.Upkeep, wherever maintenance was turned on.
func (u *Upkeep) EndMaintenance(ctx context.Context) error {
	known := status.MaintenanceStatus(u.Agent.Decision().State)
	if err := u.Agent.Do(ctx, failover.SetMaintenance{}); err != nil {
		return act.Failure(err)
	}
	if known.Here {
		u.Audit.Note(ctx, "ended maintenance") // ahead of what it sets in motion
	}
	if err := u.endAtPeer(ctx, known); err != nil {
		return err
	}
	if !known.Here {
		u.Audit.Note(ctx, "ended maintenance")
	}
	return u.Overview.Acknowledged(ctx, "maintenance is off", func(decision agent.Decision) bool { return !decision.State.Record.Maintenance })
}

// endAtPeer asks also a peer that is not known to have turned maintenance on: what
// it did a moment ago is not heard here yet.
func (u *Upkeep) endAtPeer(ctx context.Context, known pair.MaintenanceStatus) error {
	if _, paired := u.Link.Paired(); !paired {
		return nil
	}
	const promptly = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, promptly)
	defer cancel()
	err := act.Failure(peer.Ask(ctx, u.Link.Bulk(), wire.PathEndMaintenance, wire.By{By: act.By(ctx).String()}))
	switch {
	case err == nil:
		return nil
	case known.Peer:
		return pair.Refuse(pair.CodeOf(err), "maintenance was turned on at the peer and could not be ended there, so it goes on: %w", cause.Plain(err))
	case known.Here:
		return nil // it has ended, and the peer has told of none
	}
	return pair.Refuse(pair.CodeOf(err), "maintenance was not on here, and the peer could not be asked; if it is on there, it continues: %w", cause.Plain(err))
}

// EndMaintenanceAsked ends, at the word of the peer, what was turned on here.
func (u *Upkeep) EndMaintenanceAsked(ctx context.Context, q wire.By) (wire.Plain, error) {
	was := u.Agent.Decision().State.Record.Maintenance
	if err := u.Agent.Do(ctx, failover.SetMaintenance{}); err != nil {
		return wire.Plain{}, act.Remote(err)
	}
	if was {
		u.Log.Info("maintenance ended from the peer", slog.String("by", q.By))
	}
	return wire.Plain{}, nil
}

// Resume implements api.Upkeep.
func (u *Upkeep) Resume(ctx context.Context) error {
	if err := u.Agent.Do(ctx, failover.Resume{}); err != nil {
		return act.Failure(err)
	}
	u.Audit.Note(ctx, "resumed automatic failover")
	return nil
}

// AddNote implements api.Upkeep.
func (u *Upkeep) AddNote(ctx context.Context, note api.NewNote) error {
	text := strings.Join(strings.Fields(note.Text), " ")
	if text == "" {
		return pair.Refuse(pair.Usage, "the note is empty: write what others should read in the history")
	}
	if err := pair.CheckSeen("the note", text); err != nil {
		return pair.RefuseField("text", "%s", err)
	}
	u.Audit.Note(ctx, "noted: %s", strings.TrimSuffix(text, "."))
	return nil
}

// EndOverdue ends a maintenance whose time is over.
func (u *Upkeep) EndOverdue(ctx context.Context) {
	record := u.Agent.Decision().State.Record
	if record.Maintenance && record.MaintenanceUntil > 0 && time.Now().Unix() >= record.MaintenanceUntil {
		if err := u.Agent.Do(ctx, failover.SetMaintenance{}); err != nil {
			u.Log.Warn("maintenance not ended", slog.String("error", err.Error()))
		}
	}
}
