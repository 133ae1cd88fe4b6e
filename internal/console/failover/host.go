package failover

import (
	"slices"
	"time"

	"baton/internal/console/page"
	"baton/internal/pair"
)

// host is one appliance of the pair, as its card shows it.
type host struct {
	Name, Heading string
	Key           string // this or peer
	Zone          *time.Location
	Role          pair.Role
	Idle          bool // a primary that does not serve
	State         string
	StateTone     string
	Epoch         uint64
	Since         time.Time
	SharedIPs     []pair.SharedIPStatus
	Serving       bool
	DataAgeMS     int64
	Snapshot      uint64 // its number; 0: none
	Level         int
	Version       string
	Address       string
	Answers       bool // so that what is shown of it is true now; this appliance always does

	// Of the peer alone.
	Peer        bool
	ContactMS   int64 // -1: never
	LastCheck   time.Time
	CheckFailed string
	Sick        bool
}

// hosts are this appliance and its peer, if it has one.
func hosts(v *page.Visit) []host {
	all := []host{thisHost(v)}
	if v.Status.Peer != nil {
		all = append(all, peerHost(v))
	}
	if site := v.Status.Site; site.State == pair.SiteDown && site.ServedBy != "" {
		for i := range all {
			if h := &all[i]; h.Role == pair.Primary && h.Answers {
				h.State, h.StateTone, h.Idle = "It holds the shared IP, and its clients get no site.", "critical", true
			}
		}
	}
	for i := range all {
		if h := &all[i]; h.Role == pair.Backup && h.Answers {
			h.judgeBackup(v.Status)
		}
	}
	return all
}

// judgeBackup says of a backup that seems well whether it would take over.
func (h *host) judgeBackup(status pair.Status) {
	conflict := status.State == pair.Conflict || status.Peer != nil && status.Peer.Reachable && status.Peer.State == pair.Conflict
	unready := status.Readiness != nil && !status.Readiness.Ready
	switch {
	case conflict:
		h.State, h.StateTone = "It follows nobody: the pair is in a conflict.", "critical"
	case unready && h.StateTone == "good":
		h.State, h.StateTone = "Steady, but it would not take over now: see Readiness.", "info"
	}
}

func thisHost(v *page.Visit) host {
	s := v.Status
	h := host{
		Name: s.Appliance.Name, Heading: "This host's status", Key: "this", Zone: v.Zone, Role: s.Role, Epoch: s.Epoch.Counter, Since: s.Since,
		SharedIPs: s.SharedIPs, DataAgeMS: -1, Level: s.ProtectionLevel, Version: s.Appliance.Version, Address: s.Appliance.Address, Answers: true,
	}
	h.State, h.StateTone = stateText(s.Role, s.State)
	h.Idle = page.Idle(s.Role, s.State)
	h.noteUnshared(s.State)
	if s.Role == pair.Backup {
		h.DataAgeMS, h.Snapshot = s.Sync.DataAgeMS, s.Sync.Snapshot.Number
	}
	return h
}

// noteUnshared says of a host without a shared IP who reaches the site there.
func (h *host) noteUnshared(state pair.Phase) {
	shared := slices.ContainsFunc(h.SharedIPs, func(ip pair.SharedIPStatus) bool { return ip.Shared })
	switch {
	case shared || state != pair.Steady:
	case h.Role == pair.Standalone:
		h.State = "Steady: no shared IP is enabled on it, so only who asks at its own address gets its site."
	case h.Role == pair.Primary:
		h.State = "Steady: no shared IP is enabled on it, so only who asks at its own address gets the site."
	}
}

func peerHost(v *page.Visit) host {
	peer := v.Status.Peer
	h := host{
		Name: peer.Name, Heading: "Peer host's status", Key: "peer", Zone: v.Zone, Role: peer.Role, Epoch: peer.Epoch.Counter, Serving: peer.Serving,
		DataAgeMS: -1, Version: peer.Version, Address: peer.Address, Peer: true, Answers: peer.Reachable,
		ContactMS: peer.LastContactAgeMS, LastCheck: peer.LastCheck, CheckFailed: peer.CheckFailed, Sick: peer.Sick,
	}
	h.State, h.StateTone = stateText(peer.Role, peer.State)
	h.Idle = page.Idle(peer.Role, peer.State)
	if v.Status.State == pair.Suspect { // the timeout runs, and what it reported last may be over
		h.State, h.StateTone = silentText(peer), "warning"
	}
	if !h.Answers {
		h.State, h.StateTone = silentText(peer), "warning"
		return h // what it reported before says nothing about now
	}
	if v.Status.Role == pair.Primary {
		h.DataAgeMS = v.Status.Sync.DataAgeMS
	}
	if report := v.Status.PeerReport(); report != nil {
		h.Since, h.SharedIPs, h.Level = report.Since, report.SharedIPs, report.ProtectionLevel
		if v.Status.State != pair.Suspect {
			h.noteUnshared(peer.State)
		}
	}
	return h
}

// stateText says what a state means, and how good that is.
func stateText(role pair.Role, state pair.Phase) (text, tone string) {
	switch state {
	case pair.Steady:
		return steadyText(role), "good"
	case pair.Waiting:
		return "Waiting: it has just started and asks before it acts.", "info"
	case pair.Suspect:
		return "Suspect: the primary does not answer, and the timeout runs.", "warning"
	case pair.Claiming:
		return "Claiming: it is becoming primary and opens the site.", "info"
	case pair.Releasing:
		return "Releasing: it gives its role up and stops the services.", "info"
	case pair.Alone:
		return "Alone: it serves, and no backup answers.", "warning"
	case pair.Isolated:
		return "Isolated: it hears neither its peer nor enough test IPs, and does not serve.", "critical"
	case pair.Conflict:
		return "Conflict: both claim data that the other does not know; an administrator decides.", "critical"
	case pair.Handover:
		return "Handover: a planned switch is under way.", "info"
	case pair.Maintenance:
		return "Maintenance: automatic actions are off.", "info"
	}
	return "Unknown.", "warning"
}

// silentText is the state of a peer that does not answer.
func silentText(peer *pair.PeerStatus) string {
	if peer.LastContactAgeMS < 0 {
		return "It has not been heard since this appliance started."
	}
	return "It does not answer. It was " + page.PlaceText(peer.Role.String()+" "+peer.State.String()) + " when last heard " + pair.MillisText(peer.LastContactAgeMS) + " ago."
}

func steadyText(role pair.Role) string {
	switch role {
	case pair.Primary:
		return "Steady: it serves the site."
	case pair.Backup:
		return "Steady: it follows the primary."
	case pair.Standalone:
	}
	return "Steady: it serves the site, and has no backup."
}

// Held says where the shared IPs of a host are.
func (h host) Held() string {
	shared, held := 0, 0
	for _, ip := range h.SharedIPs {
		if ip.Shared {
			shared++
		}
		if ip.Held {
			held++
		}
	}
	switch {
	case len(h.SharedIPs) == 0 && h.Peer && h.Serving:
		return "held"
	case len(h.SharedIPs) == 0 && h.Peer:
		return "not held"
	case shared == 0 && held == 0:
		return "not enabled"
	case held == 0:
		return "not held"
	case held < shared:
		return "held in part"
	}
	return "held"
}
