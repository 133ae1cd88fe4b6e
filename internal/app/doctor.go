package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
)

// fine and amiss are the two findings; one that may be either is judged.
func fine(id, text string) api.Check {
	return api.Check{ID: id, OK: true, Text: text, Severity: pair.Info}
}

func amiss(id, text, nextStep string) api.Check {
	return api.Check{ID: id, Text: text, NextStep: nextStep, Severity: pair.Critical}
}

func judged(finding api.Check, ok func() bool) api.Check {
	if ok() {
		return fine(finding.ID, finding.Text)
	}
	return finding
}

// Doctor implements api.Caring.
func (b *backend) Doctor(ctx context.Context) ([]api.Check, error) {
	checks := []api.Check{judgeKey(b.link.KeyState()), b.checkPaired()}
	_, paired := b.link.Paired()
	own := []api.Check{}
	if paired { // what is amiss here comes first: it may be why the peer is silent
		own = checkOwnNetwork(b.agent.Look(), b.agent.Conditions())
		checks = append(append(checks, own...), b.checkPermitted())
	}
	checks = append(append(checks, b.checkTraffic()), b.checkBypasses()...)
	if paired {
		reached, cutOff := b.checkTestIPs(ctx)
		checks = append(append(checks, reached...), b.checkShared())
		answers := b.checkPeer()
		if !answers.OK && (cutOff || len(own) > 0) {
			answers.NextStep = "Mend this appliance's own network first, as said above; then, if need be, look at the peer machine, its cable and its network."
		}
		checks = append(checks, answers, b.checkClock(), checkData(int(b.protected.Load())))
		if b.agent.Look().State.Record.Role == pair.Backup {
			checks = append(checks, b.checkSnapshot())
		}
		ready := b.checkReady()
		if !answers.OK && !ready.OK && b.agent.Look().State.Record.Role == pair.Primary {
			ready.NextStep = "Do what is said of the peer above."
		}
		checks = append(checks, ready)
	}
	status, err := b.Status(ctx)
	if err != nil {
		return nil, err
	}
	return append(checks, checkConditions(unsaid(status.Notices(), checks))...), nil
}

// checkConditions makes checks that fail of the open conditions of the pair. One that only
// informs is none.
func checkConditions(open []pair.Notice) []api.Check {
	var checks []api.Check
	for _, notice := range open {
		if notice.Severity == pair.Info {
			continue
		}
		check := amiss(notice.ID, notice.Text, notice.NextStep)
		check.Severity = notice.Severity
		checks = append(checks, check)
	}
	return checks
}

// judgeKey judges the key that is saved here: until the peer has proved it, the one
// before it still opens the link.
func judgeKey(state peer.KeyState) api.Check {
	switch {
	case state.Pending:
		return warned(amiss("key", "The pre-shared key with fingerprint "+state.Fingerprint+" is saved here, and the peer has not proved it yet; the one before it, "+
			state.Previous+", is still valid.", "Save the same key on the other appliance: baton key set. Compare both sides: baton key fingerprint."))
	case state.Set:
		return fine("key", "A pre-shared key is saved; its fingerprint is "+state.Fingerprint+".")
	}
	return amiss("key", "No pre-shared key is saved.", "Save the same key on both appliances: baton key set.")
}

func (b *backend) checkPaired() api.Check {
	pinned, paired := b.link.Paired()
	if !paired {
		return amiss("relationship", "There is no relationship.", "On the appliance that holds the data: baton pair HOST.")
	}
	return fine("relationship", "The peer is "+pinned.Name+".")
}

func (b *backend) checkPeer() api.Check {
	check := judgePeer(b.peerStatus(time.Now()), b.refuses())
	for _, condition := range b.agent.Conditions() {
		if _, reason, told := strings.Cut(condition.Text, agent.ReasonMark); told && slices.Contains(sayings()[check.ID], condition.ID) && !check.OK {
			check.Text += agent.ReasonMark + reason // in the peer's own words
		}
	}
	return check
}

// refuses is why the peer, which answers, and this appliance have nothing to do with
// each other; pair.NoAnswer: they have, or nobody answers.
func (b *backend) refuses() pair.PollFailure {
	if s := b.agent.Look().State; s.Failed.Set {
		return s.Failure
	}
	return pair.NoAnswer
}

// judgePeer judges whether the peer answers, and whether as the peer.
func judgePeer(status *pair.PeerStatus, refuses pair.PollFailure) api.Check {
	switch {
	case refuses == pair.KeyMismatch:
		return amiss("peer", "The peer answers and is refused: the pre-shared keys of the two appliances differ.",
			"Compare them: run baton key fingerprint on both. Then save the same key on both: baton key set.")
	case refuses == pair.IdentityChanged:
		return amiss("peer", "The peer answers, and with another certificate than the one it was paired with, or it is not paired with this appliance any more.",
			"If that machine was reinstalled or has broken the relationship, break it here too and pair again: baton unpair, then baton pair HOST on the one that holds the data. If not, find out who answers there.")
	case refuses == pair.VersionMismatch:
		return amiss("peer", "The peer answers, and the two appliances do not understand each other.", "Install the same version of Baton on both: baton version.")
	case status != nil && status.Reachable:
		return fine("peer", fmt.Sprintf("The peer answered %s ago.", pair.MillisText(status.LastContactAgeMS)))
	}
	return amiss("peer", "The peer does not answer.", "Look at the peer machine, its cable and its network.")
}

// checkClock judges the clocks by the newest connection. Those of a peer that does
// not answer may be anything by now.
func (b *backend) checkClock() api.Check {
	contact, known := b.link.Contact()
	if status := b.peerStatus(time.Now()); !known || status == nil || !status.Reachable {
		why := "the peer does not answer."
		if b.refuses() != pair.NoAnswer {
			why = "the two appliances refuse each other."
		}
		check := amiss("clock", "Whether the clocks of the two appliances agree is not known: "+why, "Bring the contact with the peer back, and look again.")
		check.Severity = pair.Warning
		return check
	}
	return checkOffset(contact.ClockOffset)
}

func checkOffset(offset time.Duration) api.Check {
	if offset.Abs() < time.Second {
		return fine("clock", "The clocks of the two appliances agree to the second.")
	}
	return judged(amiss("clock", fmt.Sprintf("The clocks of the two appliances differ by %s.", pair.LastingText(offset.Abs())),
		"Set both clocks, as with systemd-timesyncd: schedules and the times in the history depend on them."),
		func() bool { return offset.Abs() <= peer.ClockTolerance })
}

func (b *backend) checkShared() api.Check {
	seen := b.agent.Look()
	switch {
	case !seen.Config.SharedIP:
		return amiss("shared-ip", "No shared IP is enabled on this appliance.", "Run: baton shared-ip enable ADDRESS, on both.")
	case seen.State.PeerHeard.Set && !seen.State.Peer.SharedIP:
		return amiss("shared-ip", "No shared IP is enabled on the peer.", "Run: baton shared-ip enable ADDRESS, on the peer.")
	}
	return fine("shared-ip", "A shared IP is enabled on this appliance.")
}

// checkPermitted tries whether a shared IP could be put on at all.
func (b *backend) checkPermitted() api.Check {
	for _, ip := range b.ips.ticked() {
		if err := b.permitted(ip.Address.Addr()); err != nil {
			return amiss("permission", cause.Of(err)+".", "Give the daemon CAP_NET_ADMIN, and restart it.")
		}
	}
	return fine("permission", "This process may put shared IPs on.")
}

// checkData says how much is protected: the site database always is.
func checkData(protected int) api.Check {
	if protected == 0 {
		return warned(amiss("data", "No directory is protected: the backup receives settings, users and reports, and none of the site's files.", nothingStep))
	}
	return fine("data", counted(int64(protected), "directory")+" and the site database are protected.")
}

// checkTestIPs also reports whether none of them answers this appliance.
func (b *backend) checkTestIPs(ctx context.Context) (checks []api.Check, cutOff bool) {
	ips := b.settings.Get().TestIPs
	if len(ips) == 0 {
		return []api.Check{amiss("test-ips", "No Network Connectivity Test IPs are set.", "Set the gateway's address, or others: baton settings set test_ips=ADDRESS.")}, false
	}
	found, err := b.TestIPs(ctx, ips)
	if err != nil {
		return []api.Check{amiss("test-ips", "The test IPs could not be tested.", "Look at the log.")}, false
	}
	for _, reach := range found {
		checks = append(checks, checkReach(reach))
	}
	return checks, !slices.ContainsFunc(found, func(reach pair.Reach) bool { return reach.Reachable })
}

// checkReach tells of one test IP, as both appliances reach it.
func checkReach(reach pair.Reach) api.Check {
	id, step := "test-ip "+reach.IP, "Look at the network, or choose another test IP."
	switch peer := reach.Peer; {
	case !reach.Reachable:
		return amiss(id, fmt.Sprintf("Test IP %s: %s.", reach.IP, reach.Reason), step)
	case peer == nil:
		return fine(id, fmt.Sprintf("Test IP %s answered in %.1f ms.", reach.IP, reach.RTTMS))
	case !peer.Known:
		return warned(amiss(id, fmt.Sprintf("Test IP %s answered here in %.1f ms; whether it answers %s is %s.", reach.IP, reach.RTTMS, peer.Name, peer.Reason),
			"See that the peer answers and runs the same version of Baton, and look again."))
	case !peer.Reachable:
		return amiss(id, fmt.Sprintf("Test IP %s answers here, and not %s: %s.", reach.IP, peer.Name, peer.Reason), step)
	}
	return fine(id, fmt.Sprintf("Test IP %s answered here in %.1f ms, and %s in %.1f ms.", reach.IP, reach.RTTMS, reach.Peer.Name, reach.Peer.RTTMS))
}

func (b *backend) checkSnapshot() api.Check {
	status := b.syncStatus(time.Now())
	if status.DataAgeMS < 0 && status.Snapshot.Number > 0 {
		return amiss("snapshot", fmt.Sprintf("The age of the newest snapshot, number %d, is not known: its time lies in the future.", status.Snapshot.Number),
			remedy(b.agent.Look(), failover.DataAgeUnknown))
	}
	if status.DataAgeMS < 0 {
		return amiss("snapshot", "There is no complete snapshot here.", "Wait for the first data sync, or use Sync Now.")
	}
	return fine("snapshot", fmt.Sprintf("The newest snapshot, number %d, is %s old.", status.Snapshot.Number, pair.MillisText(status.DataAgeMS)))
}

// checkReady says what the Status page says.
func (b *backend) checkReady() api.Check {
	known := b.readiness(b.syncStatus(time.Now()))
	switch {
	case known == nil:
		return amiss("ready", "The relationship is just being made or broken.", "Look again in a moment.")
	case known.Sound():
		return fine("ready", known.Text)
	case known.Ready:
		return warned(amiss("ready", known.Text, known.NextStep))
	}
	return amiss("ready", known.Text, known.NextStep)
}

// remedy is the next step of a backup that could not take over: that of the condition
// which tells the same.
func remedy(seen agent.Seen, why failover.Reason) string {
	if why == failover.DataIsTorn {
		return tornStep
	}
	return cmp.Or(seen.Config.Remedy(seen.State, why), "Bring the primary back; this appliance waits until it has heard it.")
}
