package pair

import (
	"slices"
	"strings"
)

// Notice is an open condition, and where it is open if not here. Its sentences are worded
// for a reader here.
type Notice struct {
	Condition
	Where string // name of the peer if it is open there alone; empty: here
}

// reportFresh is how old the peer's report may be to tell of now, in milliseconds.
const reportFresh = 15_000

// PeerReport returns what the peer tells of itself now; nil if it tells nothing, or does not answer.
func (s Status) PeerReport() *PeerReport {
	if s.Peer == nil || !s.Peer.Reachable || s.Peer.Report == nil || s.Peer.Report.AgeMS > reportFresh {
		return nil
	}
	return s.Peer.Report
}

// Notices lists the conditions of the pair, the gravest first: those that are open here,
// and those of the peer alone.
func (s Status) Notices() []Notice {
	var all []Notice
	known := map[string]bool{}
	for _, condition := range s.Conditions {
		known[condition.ID] = true
		all = append(all, Notice{Condition: condition})
	}
	if report := s.PeerReport(); report != nil {
		for _, condition := range report.Conditions {
			if !known[condition.ID] {
				all = append(all, Notice{Condition: toldOf(condition, s.Peer.Name, s.Appliance.Name), Where: s.Peer.Name})
			}
		}
	}
	rank := map[Severity]int{Critical: 0, Warning: 1, Info: 2}
	slices.SortStableFunc(all, func(a, b Notice) int { return rank[a.Severity] - rank[b.Severity] })
	return all
}

// toldOf words a condition of the peer for a reader on this appliance: what the peer
// calls this appliance has the peer's name, and what it calls the peer is this one.
func toldOf(c Condition, peer, self string) Condition {
	lower := strings.ToLower(c.Text)
	named := strings.Contains(lower, "this appliance") || strings.Contains(lower, "this machine")
	names := strings.NewReplacer(
		"This appliance", peer, "this appliance", peer, "This machine", peer, "this machine", peer, "the peer machine", self, "The peer", self, "the peer", self,
		"run here:", "run on "+peer+":", "Primary here", "Primary on "+peer,
	)
	c.Text, c.NextStep = names.Replace(c.Text), names.Replace(c.NextStep)
	if !named { // else the sentence says where
		c.Text = "On " + peer + ": " + c.Text
	}
	c.NextStep = namingPlace(c.NextStep, peer)
	return c
}

// namingPlace adds to a next step that ends with a command where to run it, unless it
// says so.
func namingPlace(step, name string) string {
	at := strings.LastIndex(step, ": baton ")
	if at < 0 || strings.IndexAny(step[at+2:], ".;:(") != len(step)-at-3 {
		return step
	}
	for _, place := range []string{"there", "both", name} {
		if strings.HasSuffix(step[:at], " "+place) {
			return step
		}
	}
	return strings.TrimSuffix(step, ".") + ", on " + name + "."
}
