package pair

import "slices"

// Notice is an open condition, and where it is open if not here.
type Notice struct {
	Condition
	Where string // name of the peer if it is open there alone; empty: here
}

// reportFresh is how old the peer's report may be to tell of now, in milliseconds.
const reportFresh = 15_000

// PeerReport returns what the peer tells of itself now; nil if it tells nothing.
func (s Status) PeerReport() *PeerReport {
	if s.Peer == nil || s.Peer.Report == nil || s.Peer.Report.AgeMS > reportFresh {
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
				all = append(all, Notice{Condition: condition, Where: s.Peer.Name})
			}
		}
	}
	rank := map[Severity]int{Critical: 0, Warning: 1, Info: 2}
	slices.SortStableFunc(all, func(a, b Notice) int { return rank[a.Severity] - rank[b.Severity] })
	return all
}
