package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"baton/internal/lab"
)

// Shares of the timeout that docs/failover.md names, with some way to spare.
const (
	harmless   = 0.55 // cut off for so long, nobody may take over
	stalled    = 0.3  // a machine that stands still for so long may itself have ended a primaryship
	leaseShare = 0.4  // of the timeout is the lease, up to longestLease
	earliest   = 0.85 // nobody may take over before: the timeout less one poll, and less what both clocks of the campaign may differ
)

// longestLease is how long a lease is at most.
const longestLease = 2 * time.Second

// split reports whether two may serve for a moment (I5): the two do not hear each
// other, and both reach everybody else.
func split(p plan) bool {
	for _, s := range p.strikes() {
		if s.Kind == kindPartition || s.Kind == kindOneWay {
			return true
		}
	}
	return false
}

// deaf reports whether a fault of the kind can only keep the two from hearing each
// other: it gives no other cause for a change of roles.
func (k kind) deaf() bool {
	switch k {
	case kindCut, kindSilence, kindPartition, kindOneWay, kindPolls, kindHang:
		return true
	case kindLoss, kindDelay, kindKill, kindPower, kindStop, kindRestart, kindReload, kindUpgrade, kindSwitch, kindSwitchNow, kindAddress, kindRules, kindFull:
	}
	return false
}

// agreed reports whether a fault of the kind may end in a handover.
func (k kind) agreed() bool {
	switch k {
	case kindSwitch, kindSwitchNow, kindAddress, kindRules, kindFull, kindKill, kindStop, kindRestart:
		return true
	case kindCut, kindSilence, kindPartition, kindOneWay, kindPolls, kindLoss, kindDelay, kindHang, kindPower, kindReload, kindUpgrade:
	}
	return false
}

// cutOff is for how long the plan keeps the two from hearing each other without a
// break; false if it does anything else besides.
func (p plan) cutOff() (longest time.Duration, only bool) {
	all := p.strikes()
	slices.SortFunc(all, func(a, b strike) int { return cmp.Compare(a.After, b.After) })
	var from, to time.Duration
	for _, s := range all {
		if !s.Kind.deaf() {
			return 0, false
		}
		if s.After > to {
			from = s.After
		}
		to = max(to, s.After+s.Lasts)
		longest = max(longest, to-from)
	}
	return longest, true
}

// broken lists the promises that the round broke.
func (r *round) broken(res *result) (all []string) {
	add := func(bad bool, format string, args ...any) {
		if bad {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	add(res.Lost > 0, "%d acknowledged writes are nowhere", res.Lost)
	add(!res.Split && res.OwnersMS > 0, "two answered for %d ms", res.OwnersMS)
	add(res.Split && res.OwnersMS > splitBound.Milliseconds(), "two answered for %d ms, though I5 allows %s", res.OwnersMS, splitBound)
	ran, stood := time.Duration(res.JobMS)*time.Millisecond, time.Duration(res.StallMS)*time.Millisecond
	switch {
	case r.plan.mayBothRunIt():
	case res.Split:
		add(ran > splitBound, "two ran the service for %s, though I5 allows %s", ran, splitBound)
	default:
		add(ran > stood, "two ran the service for %s", ran)
	}
	add(res.Person != "", "a person is needed: %s", res.Person)
	bound := backTimeouts * r.profile.timeout
	if r.refused || r.plan.Moment == momentHandover || r.plan.stops() {
		bound = max(bound, backHandover)
	}
	add(res.Person == "" && res.BackMS > bound.Milliseconds(), "one primary and one backup only after %d ms; I7 says %s", res.BackMS, bound)
	return append(append(all, r.rash(res)...), r.costly(res)...)
}

// stops reports whether a daemon is told to stop, which takes as long as a handover may.
func (p plan) stops() bool {
	return slices.ContainsFunc(p.strikes(), func(s strike) bool { return s.Kind == kindStop || s.Kind == kindRestart })
}

// costly lists what an orderly stop, a restart, a reload or an upgrade cost that it may not cost where
// nothing else happens.
func (r *round) costly(res *result) (all []string) {
	stood := time.Duration(res.StallMS) * time.Millisecond
	if r.plan.Second != nil || r.plan.Bring != nil {
		return nil
	}
	if r.stays {
		all = append(all, fmt.Sprintf("a %s was not carried out", r.plan.First.Kind))
	}
	switch r.plan.First.Kind {
	case kindStop:
		if gap := time.Duration(res.GapMS) * time.Millisecond; gap > stopBound+stood {
			all = append(all, fmt.Sprintf("an orderly stop cost %s without an answer", gap))
		}
	case kindRestart, kindReload, kindUpgrade:
		if lease := min(time.Duration(leaseShare*float64(r.profile.timeout)), longestLease); lease < longLease+stood {
			return all // the next process may come too late
		}
		if r.raised > 0 || res.Failed > 0 && r.plan.First.Kind != kindRestart { // here, nobody keeps the listeners over a restart
			all = append(all, fmt.Sprintf("a %s cost %d requests, and the epoch rose by %d; %s", r.plan.First.Kind, res.Failed, r.raised, strings.Join(res.Unanswered, "; ")))
		}
	case kindCut, kindSilence, kindPartition, kindOneWay, kindPolls, kindLoss, kindDelay, kindHang, kindKill, kindPower, kindSwitch, kindSwitchNow, kindAddress, kindRules, kindFull:
	}
	return all
}

// rash lists the takeovers that came without need, or too early (I8), and the
// planned switches that did not come.
func (r *round) rash(res *result) (all []string) {
	first, took := r.firstAnswer(r.backup.appliance.Name())
	// A machine that stood still meanwhile was a fault of its own, and maybe the first.
	stood := time.Duration(res.StallMS) * time.Millisecond
	after := first.Sub(r.struck) + stood
	longest, only := r.plan.cutOff()
	longest += r.late + stood
	if took && only && float64(longest) < harmless*float64(r.profile.timeout) {
		all = append(all, fmt.Sprintf("the backup took over, though the two were cut off for %s only", longest))
	}
	if took && !r.mayAgree() && float64(after) < earliest*float64(r.profile.timeout) {
		all = append(all, fmt.Sprintf("the backup took over %d ms after the first fault", after.Milliseconds()))
	}
	if most, bounded := r.plan.promotions(); bounded && r.raised > most && float64(stood) < stalled*float64(r.profile.timeout) {
		all = append(all, fmt.Sprintf("the epoch rose by %d, though only polls were lost", r.raised))
	}
	if r.refused && r.plan.Second == nil && r.plan.Bring == nil && float64(stood) < stalled*float64(r.profile.timeout) {
		all = append(all, "a planned switch failed")
	}
	return all
}

// promotions is how often the epoch may rise by a plan in which polls alone are
// lost: a peer that is heard on the link or by others is not to be replaced. Not
// bounded if anything else happens, but for what brings about a return.
func (p plan) promotions() (most int, bounded bool) {
	if p.First.Kind != kindPolls || p.Second != nil && p.Second.Kind != kindPolls {
		return 0, false
	}
	switch p.Moment {
	case momentSteady, momentSyncing:
		return 0, true
	case momentReturn:
		return 1, true
	case momentTakeover, momentHandover:
	}
	return 0, false
}

func (r *round) mayAgree() bool {
	for _, s := range r.plan.strikes() {
		if s.Kind.agreed() {
			return true
		}
	}
	return false
}

// firstAnswer is when the host first answered in this round, on the link or to a visitor.
func (r *round) firstAnswer(host string) (first time.Time, answered bool) {
	earlier := func(at time.Time) {
		if !answered || at.Before(first) {
			first, answered = at, true
		}
	}
	for _, c := range r.claims {
		if c.Host == host && c.Kind == lab.ClaimAnswer && c.At.After(r.began) {
			earlier(c.At)
		}
	}
	for _, v := range r.visits {
		if v.host == host && v.taken.After(r.began) {
			earlier(v.taken)
		}
	}
	return first, answered
}
