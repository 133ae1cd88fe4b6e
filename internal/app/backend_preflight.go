package app

import (
	"cmp"
	"context"
	"fmt"
	"strings"
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

// countLimit bounds how long what would be lost is counted.
const countLimit = 10 * time.Second

// Preflight implements api.Roles.
func (b *backend) Preflight(_ context.Context, change api.RoleChange) ([]api.Check, error) {
	s := b.agent.Look().State
	why := b.refusal(change)
	if why == failover.AlreadyPrimary {
		return nil, act.RefusedFor(why)
	}
	verdict := judged(amiss("switch", why.String(), switchRemedy(b.agent.Look(), why)), func() bool { return why == failover.Agreed })
	if why == failover.PeerSilent && b.refuses() != pair.NoAnswer {
		verdict.Text, verdict.NextStep = "The two appliances refuse each other, so nothing can be agreed between them.", "Do first what is said of the peer."
	}
	answers := b.checkPeer()
	if change.Force && !answers.OK {
		answers.Severity = pair.Warning // this is what force is for
	}
	checks := []api.Check{b.checkPaired(), answers, b.checkVersions(s.Peer.Version), warned(b.checkClock())}
	if s.Record.Role == pair.Backup {
		checks = append(checks, warned(b.checkSnapshot()))
	}
	if torn := b.engine.Torn(); torn != nil {
		whole := amiss("data", torn.Error(), "Remove the cause. A forced Become Primary puts into place what can be, sets the rest aside, and names it in the history.")
		if change.Force {
			whole = warned(whole)
		}
		checks = append(checks, whole)
	}
	if check, told := b.checkSiteThere(change); told {
		checks = append(checks, check)
	}
	if b.syncStatus(time.Now()).State == pair.SyncRunning {
		checks = append(checks, fine("sync", "A data sync is running; the switch waits for it."))
	}
	return append(checks, verdict), nil
}

// checkSiteThere tells what is known of the site where it would be served. The check runs
// on the primary alone.
func (b *backend) checkSiteThere(change api.RoleChange) (check api.Check, told bool) {
	if b.settings.Get().SiteCheck.IsZero() || change.Role == pair.Primary && b.agent.Look().State.Record.Role != pair.Backup {
		return check, false
	}
	if who := b.sickBackup(); who != "" {
		return warned(amiss("site", "The site failed its check on "+who+" when it was last served there.", "Look there at what serves the site, as the web server, before you switch.")), true
	}
	unknown := amiss("site", "Whether the site answers on the backup is known only once it serves: the check runs on the primary.", "Look there at what serves the site, if you are not sure.")
	unknown.Severity = pair.Info
	return unknown, true
}

// refusal asks the decision itself why a switch would be refused.
func (b *backend) refusal(change api.RoleChange) failover.Reason {
	seen := b.agent.Look()
	switch {
	case change.Role == pair.Primary:
		return seen.Config.Refusal(seen.State, agent.BootClock(), failover.BecomePrimary{FinalSync: change.DataSyncFirst, Force: change.Force})
	case seen.State.Record.Role != pair.Primary:
		return failover.NotServing
	case seen.State.Phase == pair.Conflict:
		return failover.EpochsClash
	case !b.reaches():
		return failover.PeerSilent
	case seen.State.Peer.Snapshot.IsZero():
		return failover.NoSnapshot
	}
	return failover.Agreed
}

// switchRemedy is the next step of a switch that would be refused.
func switchRemedy(seen agent.Seen, why failover.Reason) string {
	known := map[failover.Reason]string{
		failover.PeerSilent:     "Bring the peer back. If it is surely down, a backup can be forced to serve with the data that it has.",
		failover.AddressAnswers: "Switch that machine off or pull its cable: it still answers for the shared IP.",
		failover.SwitchRuns:     "Wait until it has ended, and look at the status.",
		failover.NotServing:     "Wait until it has ended, and look at the status.",
	}
	return cmp.Or(known[why], remedy(seen, why))
}

func (b *backend) checkVersions(other string) api.Check {
	if other == "" {
		return fine("versions", fmt.Sprintf("This appliance runs version %s; the peer's is not known.", b.version))
	}
	return warned(judged(amiss("versions",
		fmt.Sprintf("This appliance runs version %s, the peer %s.", b.version, other), "Install the same version on both."),
		func() bool { return other == b.version }))
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
		return api.Loss{}, act.RefusedFor(failover.NotPaired)
	}
	if change.DataSyncFirst && b.reaches() {
		return api.Loss{Text: "Nothing is lost: the final data sync carries everything over."}, nil
	}
	loss := api.Loss{Possible: true, DataAgeMS: b.syncStatus(time.Now()).DataAgeMS, Confirm: pinned.Name}
	if change.Role == pair.Backup {
		loss.Confirm = b.config.Name
	}
	loss.Files, loss.Bytes, loss.Changes = b.losing(ctx, pinned.ID)
	loss.Text = lossText(loss)
	if loss.Files == 0 && loss.Changes == 0 && b.engine.Torn() == nil {
		loss.Confirm = ""
	}
	if torn := b.engine.Torn(); torn != nil {
		loss.Text += " Besides, the data is not whole: " + torn.Error()
	}
	return loss, nil
}

// losing counts what the primary holds that is in no snapshot; -1: not known. A
// backup that does not reach it still has its history, but for the last moment;
// one that does has itself told the newest settings first.
func (b *backend) losing(ctx context.Context, peerID pair.ApplianceID) (files, bytes, changes int64) {
	if b.agent.Look().State.Record.Role == pair.Backup && b.reaches() {
		b.exchangeAll(ctx)
	}
	known, err := b.unsynced(ctx)
	if err == nil {
		return known.Files, known.Bytes, known.Changes
	}
	if b.agent.Look().State.Record.Role != pair.Backup {
		return -1, -1, -1
	}
	changes, err = b.siteChanges(ctx, peerID, b.engine.Snapshot())
	if err != nil {
		changes = -1
	}
	return -1, -1, changes
}

// reaches reports whether a switch could be agreed with the peer now.
func (b *backend) reaches() bool {
	seen := b.agent.Look()
	if seen.State.Record.Role == pair.Backup {
		return seen.State.Phase != pair.Conflict && seen.Config.Reaches(seen.State, agent.BootClock())
	}
	status := b.peerStatus(time.Now())
	return status != nil && status.Reachable && status.Role == pair.Backup && seen.State.Phase != pair.Conflict
}

// unsynced asks the primary what is in no snapshot yet.
func (b *backend) unsynced(ctx context.Context) (wire.Unsynced, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(countLimit, cancel).Stop() // losing interest, not a deadline: see tellOnce
	switch {
	case b.agent.Look().State.Record.Role == pair.Primary:
		return b.countUnsynced(ctx)
	case !b.reaches():
		return wire.Unsynced{}, peer.ErrUnreachable
	}
	return peer.Call[wire.Plain, wire.Unsynced](ctx, b.link.Control(), wire.PathUnsynced, wire.Plain{})
}

// unsyncedAsked answers the backup's question.
func (a *Appliance) unsyncedAsked(ctx context.Context, _ wire.Plain) (wire.Unsynced, error) {
	if a.agent.Look().State.Record.Role != pair.Primary {
		return wire.Unsynced{}, refusedBy(pair.Refuse(pair.Refused, "%w", failover.NotServing))
	}
	return a.countUnsynced(ctx)
}

// countUnsynced counts what this primary has that is in no snapshot yet.
func (a *Appliance) countUnsynced(ctx context.Context) (wire.Unsynced, error) {
	files, bytes, err := a.engine.Unsynced(ctx)
	if err != nil {
		return wire.Unsynced{}, err
	}
	changes, err := a.siteChanges(ctx, a.identity.ID(), a.engine.Common())
	return wire.Unsynced{Files: files, Bytes: bytes, Changes: changes}, err
}

// siteChanges counts the changes of users, tokens and protected data that an
// appliance has written into its history since a snapshot: at most 10,000.
func (a *Appliance) siteChanges(ctx context.Context, of pair.ApplianceID, since pair.Snapshot) (changes int64, err error) {
	const most = 10_000
	events, err := a.site.Events(ctx, store.Filter{
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
	files := fmt.Sprintf("%s, %s", counted(loss.Files, "file"), pair.BytesText(loss.Bytes))
	changes := counted(loss.Changes, "change") + " of users, tokens or protected data"
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

// counted is a number with its noun.
func counted(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, found := strings.CutSuffix(noun, "y"); found {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
