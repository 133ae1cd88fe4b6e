package app

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
)

// countLimit bounds how long what would be lost is counted.
const countLimit = 10 * time.Second

// Preflight implements api.Roles.
func (b *backend) Preflight(_ context.Context, change api.RoleChange) ([]api.Check, error) {
	s := b.agent.Look().State
	verdict := b.checkSwitch(change)
	if change.Role == pair.Primary && s.Record.Role == pair.Primary && !verdict.OK {
		return nil, refusedReason(failover.AlreadyPrimary)
	}
	answers := b.checkPeer()
	if change.Force && !answers.OK {
		answers.Severity = pair.Warning // this is what force is for
	}
	checks := []api.Check{b.checkPaired(), answers, b.checkVersions(s.Peer.Version), warned(b.checkClock())}
	if s.Record.Role == pair.Backup {
		checks = append(checks, warned(b.checkSnapshot()))
	}
	if b.syncStatus(time.Now()).State == pair.SyncRunning {
		checks = append(checks, fine("sync", "A data sync is running; the switch waits for it."))
	}
	return append(checks, verdict), nil
}

// checkSwitch asks the decision itself.
func (b *backend) checkSwitch(change api.RoleChange) api.Check {
	seen := b.agent.Look()
	why := failover.Agreed
	switch {
	case change.Role == pair.Primary:
		why = seen.Config.Refusal(seen.State, bootClock(), failover.BecomePrimary{FinalSync: change.DataSyncFirst, Force: change.Force})
	case seen.State.Record.Role != pair.Primary:
		why = failover.NotServing
	case !b.reaches():
		why = failover.PeerSilent
	case seen.State.Peer.Snapshot.IsZero():
		why = failover.NoSnapshot
	}
	return judged(amiss("switch", why.String(), switchRemedy(why)), func() bool { return why == failover.Agreed })
}

// switchRemedy is the next step of a switch that would be refused.
func switchRemedy(why failover.Reason) string {
	known := map[failover.Reason]string{
		failover.PeerSilent:     "Bring the peer back. If it is surely down, a backup can be forced to serve with the data that it has.",
		failover.AddressAnswers: "Switch that machine off or pull its cable: it still answers for the shared IP.",
		failover.SwitchRuns:     "Wait until it has ended, and look at the status.",
		failover.NotServing:     "Wait until it has ended, and look at the status.",
	}
	return cmp.Or(known[why], remedy(why))
}

func (b *backend) checkVersions(other string) api.Check {
	return warned(judged(amiss("versions",
		fmt.Sprintf("This appliance runs version %s, the peer %s.", b.version, other), "Install the same version on both."),
		func() bool { return other == "" || other == b.version }))
}

// warned makes a finding one that does not stand in the way.
func warned(check api.Check) api.Check {
	if !check.OK {
		check.Severity = pair.Warning
	}
	return check
}

// Loss implements api.Roles.
func (b *backend) Loss(ctx context.Context, change api.RoleChange) (api.Loss, error) {
	pinned, paired := b.link.Paired()
	if !paired {
		return api.Loss{}, refusedReason(failover.NotPaired)
	}
	if change.DataSyncFirst && b.reaches() {
		return api.Loss{Text: "Nothing is lost: the final data sync carries everything over."}, nil
	}
	loss := api.Loss{Possible: true, DataAgeMS: b.syncStatus(time.Now()).DataAgeMS, Files: -1, Bytes: -1, Confirm: pinned.Name}
	if change.Role == pair.Backup {
		loss.Confirm = b.config.Name
	}
	if files, bytes, err := b.unsynced(ctx); err == nil {
		loss.Files, loss.Bytes = files, bytes
	}
	loss.Text = lossText(loss)
	return loss, nil
}

// reaches reports whether a switch could be agreed with the peer now.
func (b *backend) reaches() bool {
	seen := b.agent.Look()
	if seen.State.Record.Role == pair.Backup {
		return seen.State.Phase != pair.Conflict && seen.Config.Reaches(seen.State, bootClock())
	}
	status := b.peerStatus(time.Now())
	return status != nil && status.Reachable && status.Role == pair.Backup && seen.State.Phase != pair.Conflict
}

// unsynced counts, on the primary, what is in no snapshot yet.
func (b *backend) unsynced(ctx context.Context) (files, bytes int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(countLimit, cancel).Stop() // losing interest, not a deadline: see tellOnce
	switch {
	case b.agent.Look().State.Record.Role == pair.Primary:
		return b.engine.Unsynced(ctx)
	case !b.reaches():
		return 0, 0, peer.ErrUnreachable
	}
	answer, err := peer.Call[wire.Plain, wire.Unsynced](ctx, b.link.Control(), pathUnsynced, wire.Plain{Version: wire.Version})
	return answer.Files, answer.Bytes, err
}

// unsyncedAsked answers the backup's question.
func (a *Appliance) unsyncedAsked(ctx context.Context, _ wire.Plain) (wire.Unsynced, error) {
	if a.agent.Look().State.Record.Role != pair.Primary {
		return wire.Unsynced{}, refusedBy(agent.RefusedError{Reason: failover.NotServing})
	}
	files, bytes, err := a.engine.Unsynced(ctx)
	return wire.Unsynced{Version: wire.Version, Files: files, Bytes: bytes}, err
}

func lossText(loss api.Loss) string {
	since := "since the newest snapshot, whose age is not known"
	if loss.DataAgeMS >= 0 {
		since = "in the last " + pair.MillisText(loss.DataAgeMS)
	}
	aside := " It is set aside there as a diverged copy."
	switch {
	case loss.Files == 0:
		return fmt.Sprintf("No file has changed on %s since the newest snapshot. What is written there from now until the switch is not carried over.%s", loss.Confirm, aside)
	case loss.Files > 0:
		return fmt.Sprintf("What %s changed %s is not carried over: %d files, %s.%s", loss.Confirm, since, loss.Files, pair.BytesText(loss.Bytes), aside)
	}
	return fmt.Sprintf("What %s changed %s is not carried over. How many files and bytes that is, is not known.%s", loss.Confirm, since, aside)
}
