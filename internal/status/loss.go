package status

import (
	"context"
	"fmt"
	"time"

	"baton/internal/act"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/store"
)

// Loss implements api.Roles.
func (p *SwitchChecks) Loss(ctx context.Context, change api.RoleChange) (api.Loss, error) {
	pinned, paired := p.Checks.Overview.Link.Paired()
	if !paired {
		return api.Loss{}, act.RefusedFor(failover.NotPaired)
	}
	if change.DataSyncFirst && p.reaches() {
		return api.Loss{Text: "Nothing is lost: the final data sync carries everything over."}, nil
	}
	loss := api.Loss{Possible: true, DataAgeMS: p.Checks.Overview.SyncStatus(time.Now()).DataAgeMS, Confirm: pinned.Name}
	if change.Role == pair.Backup {
		loss.Confirm = p.Checks.Overview.Name
	}
	loss.Files, loss.Bytes, loss.Changes = p.losing(ctx, pinned.ID)
	loss.Text = lossText(loss)
	if loss.Files == 0 && loss.Changes == 0 && p.Checks.Overview.Engine.Torn() == nil {
		loss.Confirm = ""
	}
	if torn := p.Checks.Overview.Engine.Torn(); torn != nil {
		loss.Text += " Besides, the data is not whole: " + torn.Error()
	}
	return loss, nil
}

// losing counts what the primary holds that is in no snapshot; -1: not known. A backup that
// reaches its primary first exchanges settings; another one counts from its own history.
func (p *SwitchChecks) losing(ctx context.Context, peerID pair.ApplianceID) (files, bytes, changes int64) {
	if p.Checks.Overview.Agent.Decision().State.Record.Role == pair.Backup && p.reaches() {
		p.Exchange(ctx)
	}
	known, err := p.unsynced(ctx)
	if err == nil {
		return known.Files, known.Bytes, known.Changes
	}
	if p.Checks.Overview.Agent.Decision().State.Record.Role != pair.Backup {
		return -1, -1, -1
	}
	changes, err = p.SiteChanges(ctx, peerID, p.Checks.Overview.Engine.Snapshot())
	if err != nil {
		changes = -1
	}
	return -1, -1, changes
}

// reaches reports whether a switch could be agreed with the peer now.
func (p *SwitchChecks) reaches() bool {
	decision := p.Checks.Overview.Agent.Decision()
	if decision.State.Record.Role == pair.Backup {
		return decision.State.Phase != pair.Conflict && decision.Config.Reaches(decision.State, agent.BootClock())
	}
	status := p.Checks.Overview.PeerStatus(time.Now())
	return status != nil && status.Reachable && status.Role == pair.Backup && decision.State.Phase != pair.Conflict
}

// unsynced asks the primary what is in no snapshot yet.
func (p *SwitchChecks) unsynced(ctx context.Context) (wire.Unsynced, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(countLimit, cancel).Stop() // losing interest, not a deadline: see exchange.reportOnce
	switch {
	case p.Checks.Overview.Agent.Decision().State.Record.Role == pair.Primary:
		return p.CountUnsynced(ctx)
	case !p.reaches():
		return wire.Unsynced{}, peer.ErrUnreachable
	}
	return peer.Call[wire.Plain, wire.Unsynced](ctx, p.Checks.Overview.Link.Control(), wire.PathUnsynced, wire.Plain{})
}

// UnsyncedAsked answers the backup's question.
func (p *SwitchChecks) UnsyncedAsked(ctx context.Context, _ wire.Plain) (wire.Unsynced, error) {
	if p.Checks.Overview.Agent.Decision().State.Record.Role != pair.Primary {
		return wire.Unsynced{}, act.Remote(pair.Refuse(pair.Refused, "%w", failover.NotServing))
	}
	return p.CountUnsynced(ctx)
}

// CountUnsynced counts what this primary has that is in no snapshot yet.
func (p *SwitchChecks) CountUnsynced(ctx context.Context) (wire.Unsynced, error) {
	files, bytes, err := p.Checks.Overview.Engine.Unsynced(ctx)
	if err != nil {
		return wire.Unsynced{}, err
	}
	changes, err := p.SiteChanges(ctx, p.Checks.Overview.ID, p.Checks.Overview.Engine.Common())
	return wire.Unsynced{Files: files, Bytes: bytes, Changes: changes}, err
}

// SiteChanges counts the changes of users, tokens and protected data that an
// appliance has written into its history since a snapshot: at most 10,000.
func (p *SwitchChecks) SiteChanges(ctx context.Context, of pair.ApplianceID, since pair.Snapshot) (changes int64, err error) {
	const most = 10_000
	events, err := p.Checks.Overview.Store.History.Events(ctx, store.Filter{
		Since: time.UnixMilli(since.TakenAt), Kinds: []string{pair.KindSettingChanged}, Appliances: []pair.ApplianceID{of}, Limit: most,
	})
	for _, event := range events {
		if event.Detail[pair.DetailBySync] != "" {
			changes++
		}
	}
	return changes, err
}

func lossText(loss api.Loss) string {
	const aside = " It is set aside there as a diverged copy."
	if loss.Files == 0 && loss.Changes == 0 {
		return "Nothing has changed on " + loss.Confirm + " since the newest snapshot. What is written there from now until the switch is not carried over." + aside
	}
	since := "since the newest snapshot, whose age is not known"
	if loss.DataAgeMS >= 0 {
		since = "in the last " + pair.MillisText(loss.DataAgeMS)
	}
	return fmt.Sprintf("What %s changed %s is not carried over: %s.%s", loss.Confirm, since, lost(loss), aside)
}

// lost lists what is known of it.
func lost(loss api.Loss) string {
	files := fmt.Sprintf("%s, %s", pair.Counted(loss.Files, "file"), pair.BytesText(loss.Bytes))
	changes := pair.Counted(loss.Changes, "change") + " of users, tokens or protected data"
	switch {
	case loss.Files < 0 && loss.Changes <= 0:
		return "how many files and changes of users that is, is not known"
	case loss.Files < 0:
		return changes + " that this appliance has heard of, and files whose number is not known"
	case loss.Changes < 0:
		return files + "; how many changes of users, is not known"
	case loss.Files == 0:
		return changes + ", and no file"
	case loss.Changes == 0:
		return files + ", and no user or token"
	}
	return files + ", and " + changes
}

// countLimit bounds how long what would be lost is counted.
const countLimit = 10 * time.Second
