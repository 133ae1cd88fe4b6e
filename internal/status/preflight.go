package status

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"baton/internal/act"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/failover"
	"baton/internal/pair"
)

// SwitchChecks tell what a change of roles would meet, and lose.
type SwitchChecks struct {
	Checks   *Checks
	Exchange func(context.Context) // with the peer: events and settings
}

// Preflight implements api.Roles.
func (p *SwitchChecks) Preflight(_ context.Context, change api.RoleChange) ([]api.Check, error) {
	s := p.Checks.Overview.Agent.Decision().State
	why := p.refusal(change)
	if why == failover.AlreadyPrimary {
		return nil, act.RefusedFor(why)
	}
	verdict := api.Fail("switch", why.String(), switchRemedy(p.Checks.Overview.Agent.Decision(), why)).Unless(why == failover.Agreed)
	if why == failover.PeerSilent && p.Checks.Refuses() != pair.NoAnswer {
		verdict.Text, verdict.NextStep = "The two appliances refuse each other, so nothing can be agreed between them.", "Do first what is said of the peer."
	}
	answers := p.Checks.checkPeer()
	if change.Force && !answers.OK {
		answers.Severity = pair.Warning // this is what force is for
	}
	checks := []api.Check{p.Checks.checkPaired(), answers, p.CheckVersions(s.Peer.Version), api.Warn(p.Checks.checkClock())}
	if s.Record.Role == pair.Backup {
		checks = append(checks, api.Warn(p.Checks.checkSnapshot()))
	}
	if torn := p.Checks.Overview.Engine.Torn(); torn != nil {
		whole := api.Fail("data", torn.Error(), "Remove the cause. A forced Become Primary puts into place what can be, sets the rest aside, and names it in the history.")
		if change.Force {
			whole = api.Warn(whole)
		}
		checks = append(checks, whole)
	}
	if check, told := p.checkSiteThere(change); told {
		checks = append(checks, check)
	}
	if p.Checks.Overview.SyncStatus(time.Now()).State == pair.SyncRunning {
		checks = append(checks, api.Pass("sync", "A data sync is running; the switch waits for it."))
	}
	if !change.DataSyncFirst && s.Record.Role != change.Role {
		left := api.Fail("final-sync", "Without a final data sync, "+api.NotCarriedOver(p.giver(change), p.Checks.Overview.SyncStatus(time.Now()).DataAgeMS), "Add --final-sync, unless that is wanted.")
		left.Severity = pair.Info
		checks = append(checks, left)
	}
	if doubt := func(c api.Check) bool { return !c.OK && c.Severity != pair.Info }; verdict.OK && slices.ContainsFunc(checks, doubt) {
		verdict.Text = "The switch would be done all the same: look first at what is not ok above."
	}
	return append(checks, verdict), nil
}

// giver names the appliance that gives the site away.
func (p *SwitchChecks) giver(change api.RoleChange) string {
	if pinned, _ := p.Checks.Overview.Link.Paired(); change.Role == pair.Primary {
		return pinned.Name
	}
	return p.Checks.Overview.Name
}

// checkSiteThere tells what is known of the site where it would be served. The check runs
// on the primary alone.
func (p *SwitchChecks) checkSiteThere(change api.RoleChange) (check api.Check, told bool) {
	if p.Checks.Overview.Settings.Get().SiteCheck.IsZero() || change.Role == pair.Primary && p.Checks.Overview.Agent.Decision().State.Record.Role != pair.Backup {
		return check, false
	}
	if who := p.Checks.Overview.sickBackup(); who != "" {
		return api.Warn(api.Fail("site", "The site failed its check on "+who+" when it was last served there.", "Look there at what serves the site, as the web server, before you switch.")), true
	}
	unknown := api.Fail("site", "Whether the site answers on the backup is known only once it serves: the check runs on the primary.", "Look there at what serves the site, if you are not sure.")
	unknown.Severity = pair.Info
	return unknown, true
}

// refusal asks the decision itself why a switch would be refused.
func (p *SwitchChecks) refusal(change api.RoleChange) failover.Reason {
	decision := p.Checks.Overview.Agent.Decision()
	switch {
	case change.Role == pair.Primary:
		return decision.Config.Refusal(decision.State, agent.BootClock(), failover.BecomePrimary{FinalSync: change.DataSyncFirst, Force: change.Force})
	case decision.State.Record.Role != pair.Primary:
		return failover.NotServing
	case decision.State.Phase == pair.Conflict:
		return failover.EpochsClash
	case !p.reaches():
		return failover.PeerSilent
	case decision.State.Unwritable:
		return failover.NotSaved
	case decision.State.Peer.Unwritable:
		return failover.PeerNotSaved
	case decision.Config.SharedIP && (!decision.State.Peer.SharedIP || decision.Config.OtherSharedIPs(decision.State)):
		return failover.OtherSharedIPs
	case decision.State.Peer.Snapshot.IsZero():
		return failover.NoSnapshot
	}
	return failover.Agreed
}

// switchRemedy is the next step of a switch that would be refused.
func switchRemedy(decision agent.Decision, why failover.Reason) string {
	known := map[failover.Reason]string{
		failover.PeerSilent:     "Bring the peer back. If it is surely down, a backup can be forced to serve with the data that it has.",
		failover.AddressAnswers: "Switch that machine off or pull its cable: it still answers for the shared IP.",
		failover.PeerNotSaved:   "Look at data_dir on the peer. If it is the primary and cannot be mended soon, stop Baton there: the backup then takes over by itself.",
		failover.SwitchRuns:     "Wait until it has ended, and look at the status.",
		failover.NotServing:     "Wait until it has ended, and look at the status.",
	}
	return cmp.Or(known[why], Remedy(decision, why))
}

// CheckVersions compares the versions of the two appliances.
func (p *SwitchChecks) CheckVersions(other string) api.Check {
	if other == "" {
		return api.Pass("versions", fmt.Sprintf("This appliance runs version %s; the peer's is not known.", p.Checks.Overview.Version))
	}
	return api.Warn(api.Fail("versions",
		fmt.Sprintf("This appliance runs version %s, the peer %s.", p.Checks.Overview.Version, other), "Install the same version on both.").Unless(other == p.Checks.Overview.Version))
}
