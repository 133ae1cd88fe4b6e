package status

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/failover"
	"baton/internal/lease"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/watch"
)

// Checks find out how ready the pair is.
type Checks struct {
	Overview  *Overview
	Kernel    *watch.Traffic
	Permitted func(netip.Addr) error // whether this process may put an address on
	TestIPs   func(context.Context, []netip.Addr) ([]pair.Reach, error)
	Data      func(context.Context) ([]pair.Data, error) // that is protected here
	Following func(pair.Data) (sentence string, is bool) // by what a directory of it is followed
	// Databases says which SQLite databases lie in a directory and are not excluded.
	Databases func(ctx context.Context, path string, excluded func(path string) bool) []api.Check
	Started   time.Time // when this daemon did
}

// settling is for how long after a start doctor waits for the first contact with the peer:
// until then everything about it would fail.
const settling = 10 * time.Second

// awaitPeer waits until the peer is heard and has reported, while this daemon is new.
func (d *Checks) awaitPeer(ctx context.Context) {
	ctx, cancel := context.WithDeadline(ctx, d.Started.Add(settling))
	defer cancel()
	for _, paired := d.Overview.Link.Paired(); paired && (d.Overview.Fresh() == nil || !d.Overview.Agent.Decision().State.PeerHeard.Set); {
		select {
		case <-ctx.Done():
			return
		case <-time.After(settling / 100):
		}
	}
}

// Doctor implements api.Upkeep.
func (d *Checks) Doctor(ctx context.Context) ([]api.Check, error) {
	d.awaitPeer(ctx)
	checks := []api.Check{judgeKey(d.Overview.Link.KeyState()), d.checkPaired()}
	_, paired := d.Overview.Link.Paired()
	own := []api.Check{}
	if paired { // what is amiss here comes first: it may be why the peer is silent
		own = checkOwnNetwork(d.Overview.Agent.Decision(), d.Overview.Agent.Conditions())
		checks = append(append(checks, own...), d.checkPermitted())
	}
	checks = append(append(checks, d.checkTraffic()), d.checkBypasses()...)
	if paired {
		tests, reached := d.checkTestIPs(ctx)
		checks = append(append(checks, tests...), d.checkShared())
		answers := d.checkPeer()
		if !answers.OK && (reached == 0 || len(own) > 0) {
			answers.NextStep = "Mend this appliance's own network first, as said above; then, if need be, look at the peer machine, its cable and its network."
		}
		checks = append(checks, answers, d.checkClock())
		checks = append(append(checks, d.checkBoth(ctx)...), CheckData(int(d.Overview.Protected())))
		checks = append(checks, d.checkFollowing(ctx)...)
		if d.Overview.Agent.Decision().State.Record.Role == pair.Backup {
			checks = append(checks, d.checkSnapshot())
		}
		ready := d.checkReadyBy(reached)
		if !answers.OK && !ready.OK && d.Overview.Agent.Decision().State.Record.Role == pair.Primary {
			ready.NextStep = "Do what is said of the peer above."
		}
		checks = append(checks, ready)
	}
	status, err := d.Overview.Status(ctx)
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
		check := api.Fail(notice.ID, notice.Text, notice.NextStep)
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
		return api.Warn(api.Fail("key", "The pre-shared key with fingerprint "+state.Fingerprint+" is saved here, and the peer has not proved it yet; the one before it, "+
			state.Previous+", is still valid.", "Save the same key on the other appliance: baton key set. Compare both sides: baton key fingerprint."))
	case state.Set:
		return api.Pass("key", "A pre-shared key is saved; its fingerprint is "+state.Fingerprint+".")
	}
	return api.Fail("key", "No pre-shared key is saved.", "Save the same key on both appliances: baton key set.")
}

func (d *Checks) checkPaired() api.Check {
	pinned, paired := d.Overview.Link.Paired()
	if !paired {
		return api.Fail("relationship", "There is no relationship.", "On the appliance that holds the data: baton pair HOST.")
	}
	return api.Pass("relationship", "The peer is "+pinned.Name+".")
}

func (d *Checks) checkPeer() api.Check {
	check := judgePeer(d.Overview.PeerStatus(time.Now()), d.Refuses(), d.Overview.Agent.Decision().State.Peer.Stopping)
	for _, condition := range d.Overview.Agent.Conditions() {
		if condition.Reason != "" && slices.Contains(sayings()[check.ID], condition.ID) && !check.OK {
			check.Text += " " + condition.ReasonText() // in the peer's own words
		}
	}
	return check
}

// Refuses is why the peer, which answers, and this appliance have nothing to do with
// each other; pair.NoAnswer: they have, or nobody answers.
func (d *Checks) Refuses() pair.PollFailure {
	if s := d.Overview.Agent.Decision().State; s.Failed.Set {
		return s.Failure
	}
	return pair.NoAnswer
}

// judgePeer judges whether the peer answers, and whether as the peer. Stopped: it said goodbye.
func judgePeer(status *pair.PeerStatus, refuses pair.PollFailure, stopped bool) api.Check {
	switch {
	case refuses == pair.KeyMismatch:
		return api.Fail("peer", "The peer answers and is refused: the pre-shared keys of the two appliances differ.",
			"Compare them: run baton key fingerprint on both. Then save the same key on both: baton key set.")
	case refuses == pair.IdentityChanged:
		return api.Fail("peer", "The peer answers, and with another certificate than the one it was paired with, or it is not paired with this appliance any more.",
			"If that machine was reinstalled or has broken the relationship, break it here too and pair again: baton unpair --force, then baton pair HOST on the one that holds the data. If not, find out who answers there.")
	case refuses == pair.VersionMismatch:
		return api.Fail("peer", "The peer answers, and the two appliances do not understand each other.", "Install the same version of Baton on both: baton version.")
	case status != nil && stopped:
		return api.Fail("peer", fmt.Sprintf("Baton was told to stop on %s %s ago, and has stopped there.", status.Name, pair.MillisText(status.LastContactAgeMS)),
			"Start it there when the work is done: systemctl start baton.")
	case status != nil && status.Reachable:
		return api.Pass("peer", fmt.Sprintf("The peer answered %s ago.", pair.MillisText(status.LastContactAgeMS)))
	}
	return api.Fail("peer", "The peer does not answer.", "Look at the peer machine, its cable and its network.")
}

// checkClock judges the clocks by the newest connection. Those of a peer that does
// not answer may be anything by now.
func (d *Checks) checkClock() api.Check {
	contact, known := d.Overview.Link.Contact()
	if status := d.Overview.PeerStatus(time.Now()); !known || status == nil || !status.Reachable {
		why := "the peer does not answer."
		if d.Refuses() != pair.NoAnswer {
			why = "the two appliances refuse each other."
		}
		check := api.Fail("clock", "Whether the clocks of the two appliances agree is not known: "+why, "Bring the contact with the peer back, and look again.")
		check.Severity = pair.Warning
		return check
	}
	return CheckOffset(contact.ClockOffset)
}

// CheckOffset judges by how much the clocks of the two appliances differ.
func CheckOffset(offset time.Duration) api.Check {
	if offset.Abs() < time.Second {
		return api.Pass("clock", "The clocks of the two appliances agree to the second.")
	}
	return api.Fail("clock", fmt.Sprintf("The clocks of the two appliances differ by %s.", pair.LastingText(offset.Abs())),
		"Set both clocks, as with systemd-timesyncd: schedules and the times in the history depend on them.").Unless(offset.Abs() <= peer.ClockTolerance)
}

func (d *Checks) checkShared() api.Check {
	decision := d.Overview.Agent.Decision()
	switch {
	case !decision.Config.SharedIP:
		return api.Fail("shared-ip", "No shared IP is enabled on this appliance.", "Run: baton shared-ip enable ADDRESS, on both.")
	case decision.State.PeerHeard.Set && !decision.State.Peer.SharedIP:
		return api.Fail("shared-ip", "No shared IP is enabled on the peer.", "Run: baton shared-ip enable ADDRESS, on the peer.")
	case decision.Config.OtherSharedIPs(decision.State):
		return d.otherShared(decision)
	}
	return api.Pass("shared-ip", "A shared IP is enabled on this appliance.")
}

// otherShared tells which shared IPs are enabled on one appliance only, as far as the peer has
// reported it.
func (d *Checks) otherShared(decision agent.Decision) api.Check {
	var here, there []string
	for _, ip := range d.Overview.Ticked() {
		here = append(here, ip.Address.String())
	}
	pinned, _ := d.Overview.Link.Paired()
	if report := d.Overview.Fresh(); report != nil {
		for _, ip := range report.SharedIPs {
			if ip.Shared {
				there = append(there, ip.Address)
			}
		}
		return judgeShared(here, there, pinned.Name, Remedy(decision, failover.OtherSharedIPs))
	}
	return judgeShared(here, here, pinned.Name, Remedy(decision, failover.OtherSharedIPs))
}

// judgeShared judges shared IPs that are not the same on the two appliances, with their network
// lengths: which only one of them has, and the commands that change that.
func judgeShared(here, there []string, peer, step string) api.Check {
	texts := []string{failover.OtherSharedIPs.String()}
	var steps []string
	lacks := func(some, others []string, only, lacking string) {
		for _, ip := range some {
			if !slices.Contains(others, ip) {
				address, _, _ := strings.Cut(ip, "/")
				texts = append(texts, fmt.Sprintf("Only %s: %s.", only, address))
				steps = append(steps, fmt.Sprintf("Run %s: baton shared-ip enable %s.", lacking, address))
			}
		}
	}
	lacks(here, there, "here", "on "+peer)
	lacks(there, here, "on "+peer, "here")
	return api.Fail("shared-ip", strings.Join(texts, " "), cmp.Or(strings.Join(steps, " "), step))
}

// checkPermitted tries whether a shared IP could be put on at all.
func (d *Checks) checkPermitted() api.Check {
	for _, ip := range d.Overview.Ticked() {
		if err := d.Permitted(ip.Address.Addr()); err != nil {
			return api.Fail("permission", cause.Of(err)+".", "Give the daemon CAP_NET_ADMIN, and restart it.")
		}
	}
	return api.Pass("permission", "This process may put shared IPs on.")
}

// CheckData says how much is protected: the site database always is.
func CheckData(protected int) api.Check {
	if protected == 0 {
		return api.Warn(api.Fail("data", "No directory is protected: the backup receives settings, users and reports, and none of the site's files.", nothingStep))
	}
	return api.Pass("data", pair.Counted(int64(protected), "directory")+" and the site database are protected.")
}

// checkFollowing says by what each directory is followed, and which databases lie in it.
func (d *Checks) checkFollowing(ctx context.Context) (checks []api.Check) {
	protected, err := d.Data(ctx)
	if err != nil {
		return []api.Check{api.Warn(api.Fail("following", "By what the protected directories are followed is not known: "+cause.Of(err)+".", "Look at the log."))}
	}
	for _, data := range protected {
		if data.Spec.Kind() != pair.DataDirectory {
			continue
		}
		checks = append(checks, d.Databases(ctx, data.Spec.String(), data.Spec.Excludes().Matcher().Excludes)...)
		id := "following " + data.Name
		if text, is := d.Following(data); is {
			checks = append(checks, api.Pass(id, text))
		} else {
			checks = append(checks, api.Warn(api.Fail(id, text, "Run systemctl status baton-changes, which says why; or raise the limit that is named.")))
		}
	}
	return checks
}

// checkTestIPs also reports how many of them answer this appliance; -1: not known.
func (d *Checks) checkTestIPs(ctx context.Context) (checks []api.Check, reached int) {
	ips := d.Overview.Settings.Get().TestIPs
	if len(ips) == 0 {
		return []api.Check{api.Fail("test-ips", "No Network Connectivity Test IPs are set.", "Set the gateway's address, or others: baton settings set test_ips=ADDRESS.")}, -1
	}
	found, err := d.TestIPs(ctx, ips)
	if err != nil {
		return []api.Check{api.Fail("test-ips", "The test IPs could not be tested.", "Look at the log.")}, -1
	}
	for _, reach := range found {
		checks = append(checks, checkReach(reach))
		if reach.Reachable {
			reached++
		}
	}
	return checks, reached
}

// checkReach tells of one test IP, as both appliances reach it.
func checkReach(reach pair.Reach) api.Check {
	id, step := "test-ip "+reach.IP, "Look at the network, or choose another test IP."
	switch peer := reach.Peer; {
	case !reach.Reachable:
		return api.Fail(id, fmt.Sprintf("Test IP %s: %s.", reach.IP, reach.Reason), step)
	case peer == nil:
		return api.Pass(id, fmt.Sprintf("Test IP %s answered in %.1f ms.", reach.IP, reach.RTTMS))
	case !peer.Known:
		return api.Warn(api.Fail(id, fmt.Sprintf("Test IP %s answered here in %.1f ms; whether it answers %s is %s.", reach.IP, reach.RTTMS, peer.Name, peer.Reason),
			"See that the peer answers and runs the same version of Baton, and look again."))
	case !peer.Reachable:
		return api.Fail(id, fmt.Sprintf("Test IP %s answers here, and not %s: %s.", reach.IP, peer.Name, peer.Reason), step)
	}
	return api.Pass(id, fmt.Sprintf("Test IP %s answered here in %.1f ms, and %s in %.1f ms.", reach.IP, reach.RTTMS, reach.Peer.Name, reach.Peer.RTTMS))
}

func (d *Checks) checkSnapshot() api.Check {
	status := d.Overview.SyncStatus(time.Now())
	if status.DataAgeMS < 0 && status.Snapshot.Number > 0 {
		return api.Fail("snapshot", fmt.Sprintf("The age of the newest snapshot, number %d, is not known: its time lies in the future.", status.Snapshot.Number),
			Remedy(d.Overview.Agent.Decision(), failover.DataAgeUnknown))
	}
	if status.DataAgeMS < 0 {
		return api.Fail("snapshot", "There is no complete snapshot here.", "Wait for the first data sync, or use Sync Now.")
	}
	return api.Pass("snapshot", fmt.Sprintf("The newest snapshot, number %d, is %s old.", status.Snapshot.Number, pair.MillisText(status.DataAgeMS)))
}

// checkReady says what the Status page says.
func (d *Checks) checkReady() api.Check {
	known := d.Overview.Readiness(d.Overview.SyncStatus(time.Now()))
	switch {
	case known == nil:
		return api.Fail("ready", "The relationship is just being made or broken.", "Look again in a moment.")
	case known.Sound():
		return api.Pass("ready", known.Text)
	case known.Ready:
		return api.Warn(api.Fail("ready", known.Text, known.NextStep))
	}
	return api.Fail("ready", known.Text, known.NextStep)
}

// checkReadyBy is checkReady with what has just been found out: how many test IPs answer this
// appliance; -1: not known.
func (d *Checks) checkReadyBy(reached int) api.Check {
	ready, decision := d.checkReady(), d.Overview.Agent.Decision()
	if need, _, backup := decision.Config.TriesTestIPs(decision.State); ready.OK && backup && reached >= 0 && reached < need {
		return api.Fail("ready", unreached().Text, unreached().NextStep)
	}
	return ready
}

// Remedy returns the next step of a backup that could not take over: the one of the condition
// that tells the reason.
func Remedy(decision agent.Decision, why failover.Reason) string {
	if why == failover.DataIsTorn {
		return tornStep
	}
	return cmp.Or(decision.Config.Remedy(decision.State, why), "Bring the primary back; this appliance waits until it has heard it.")
}

// checkTraffic tells whether the kernel ends the site of a hung daemon in time.
func (d *Checks) checkTraffic() api.Check {
	if d.Overview.Traffic.InForce() {
		return api.Pass("traffic-lease", "The traffic lease is in force: if the daemon hangs, the kernel closes the site within 0.4 of the timeout.")
	}
	why := "its rules could not be put back"
	if d.Kernel.Missing != nil {
		why = cause.Of(d.Kernel.Missing)
	}
	check := api.Fail("traffic-lease", "There is no traffic lease here ("+why+"): if the daemon hangs, the kernel closes the site only when it drops the address, up to 3 s later.",
		"Remove that cause (it needs nf_tables, Linux 5.16 or newer and CAP_NET_ADMIN) and restart the daemon, or keep the Primary Site Instance Timeout at 4 s or more.")
	check.Severity = pair.Warning
	return check
}

// checkBypasses lists what goes past the traffic lease on this machine.
func (d *Checks) checkBypasses() (found []api.Check) {
	for _, bypass := range lease.Bypasses(d.Overview.SharedIPs) {
		check := api.Fail("traffic-bypass", bypass.Text, bypass.NextStep)
		check.Severity = pair.Warning
		found = append(found, check)
	}
	return found
}
