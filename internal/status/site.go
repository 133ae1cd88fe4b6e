package status

import (
	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/pair"
)

// sighting is what one appliance knows of who serves the site.
type sighting struct {
	served      failover.Served
	self, peer  string // names; no peer: empty
	role        pair.Role
	phase       pair.Phase // here
	peerRole    pair.Role
	peerPhase   pair.Phase
	shared      bool             // a shared IP is enabled here
	checked     bool             // the appliance that serves the site knows whether it answers
	ready       bool             // the backup would take over by itself
	hollow      bool             // it would serve without the site's files
	wasSick     bool             // the site was sick there lately
	heardMS     int64            // since the peer was last heard; -1: never
	peerServed  bool             // it served then
	peerStopped bool             // its daemon was told to stop
	conditions  []pair.Condition // open here
	peerReports []pair.Condition // open at the peer
}

// siteStatus says in one line whether the site is up, who serves it, and who
// protects it.
func (o *Overview) siteStatus(ready *pair.Readiness) pair.SiteStatus {
	decision := o.Agent.Decision()
	seat := sighting{
		served: decision.Config.Served(decision.State, agent.BootClock()), self: o.Name, role: decision.State.Record.Role, phase: decision.State.Phase,
		shared: len(o.Ticked()) > 0, checked: o.checked(), ready: ready != nil && ready.Ready, hollow: o.Protected() == 0, wasSick: o.sickBackup() != "", conditions: o.Agent.Conditions(),
		heardMS: -1, peerRole: decision.State.Peer.Role, peerPhase: decision.State.Peer.Phase, peerServed: decision.State.Peer.Serving, peerStopped: decision.State.Peer.Stopping,
	}
	if pinned, paired := o.Link.Paired(); paired {
		seat.peer = pinned.Name
	}
	if heard := decision.State.PeerHeard; heard.Set {
		seat.heardMS = agent.BootClock().Sub(heard.At).Milliseconds()
	}
	if report := o.Fresh(); report != nil {
		seat.peerReports = report.Conditions
		if seat.served == failover.ServedByPeer {
			seat.checked = report.SiteChecked
		}
	}
	return seat.status()
}

func (s sighting) status() pair.SiteStatus {
	switch s.served {
	case failover.ServedHere:
		return s.servedBy(s.self, s.peer, s.conditions)
	case failover.ServedByPeer:
		return s.servedBy(s.peer, s.self, s.peerReports)
	case failover.ServedInAMoment:
		return pair.SiteStatus{State: pair.SiteSwitching, Text: "A planned switch is under way; requests wait until it is done."}
	case failover.ServedNowhere:
		return pair.SiteStatus{State: pair.SiteDown, Text: "Down: " + s.nobody()}
	case failover.ServedUnknown:
	}
	return pair.SiteStatus{State: pair.SiteUnknown, Text: "Not known: " + s.silent()}
}

// servedBy describes the site while one appliance holds the shared IP, with what that one
// tells of itself.
func (s sighting) servedBy(by, other string, told []pair.Condition) pair.SiteStatus {
	for _, condition := range told {
		if why := unserved(condition.ID); why != "" {
			return pair.SiteStatus{State: pair.SiteDown, ServedBy: by, Text: "Down: " + by + " holds the shared IP, and " + why + "."}
		}
	}
	status := pair.SiteStatus{State: pair.SiteUp, ServedBy: by, Text: "Up, served by " + by}
	unchecked := ""
	if !s.checked {
		unchecked = " Whether it answers there is not checked (site_check)."
	}
	switch {
	case by == s.self && !s.shared:
		status.Text += ": no shared IP is enabled on it, so it is reached at its own address at most; nothing protects it."
		unchecked = ""
	case other == "":
		status.Text += "; no backup protects it."
	case s.ready && s.wasSick:
		status.Text += "; " + other + " would take over, and the site was sick there lately."
	case s.ready && s.hollow:
		status.Text += "; " + other + " would take over without the site's files."
	case s.ready:
		status.ProtectedBy = other
		status.Text += " and protected by " + other + "."
	default:
		status.Text += "; nothing protects it now."
	}
	status.Text += unchecked
	return status
}

// unserved says why clients get no site from a primary with that condition; empty: they
// do.
func unserved(condition string) string {
	return map[string]string{
		"site-sick":              "its site is sick",
		"shared-ip-no-interface": "its machine has no interface of the name that the shared IP is for",
		"shared-ip-no-carrier":   "the interface of the shared IP has no carrier there",
		"traffic-blocked":        "nftables rules that an earlier run of the daemon left stop its traffic",
	}[condition]
}

// nobody says why neither appliance serves the site.
func (s sighting) nobody() string {
	idle := func(name, what string, phase pair.Phase) string {
		return name + what + " does not serve: it is " + phase.String() + "."
	}
	switch {
	case s.phase == pair.Conflict || s.peerPhase == pair.Conflict:
		return "both appliances claim data that the other does not know, and neither serves until an administrator chooses."
	case s.role == pair.Standalone:
		return idle(s.self, "", s.phase)
	case s.role == pair.Primary:
		return idle(s.self, " is the primary and", s.phase)
	case s.peerRole == pair.Primary && s.peerStopped:
		return s.peer + " is the primary, and its daemon was stopped."
	case s.peerRole == pair.Primary:
		return idle(s.peer, " is the primary and", s.peerPhase)
	}
	return "both appliances are backups."
}

// silent says what is known of a peer that does not tell.
func (s sighting) silent() string {
	switch {
	case s.heardMS < 0:
		return s.peer + " has not been heard since this appliance started, and this one does not serve."
	case s.peerServed:
		return s.peer + " served it when last heard " + pair.MillisText(s.heardMS) + " ago, and does not answer now."
	}
	return s.peer + " was last heard " + pair.MillisText(s.heardMS) + " ago, and this appliance does not serve."
}
