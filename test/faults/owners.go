package main

import (
	"slices"
	"time"

	"baton/internal/lab"
)

// span is a time during which somebody answered.
type span struct{ from, to time.Time }

// joined is how far apart two answers of one host may be and still count as one
// time of answering: four questions at most.
const (
	joinedClaims = 4 * askEvery
	joinedVisits = 100 * time.Millisecond
)

// spans joins instants that are close to one another.
func spans(instants []time.Time, close time.Duration) (found []span) {
	slices.SortFunc(instants, time.Time.Compare)
	for _, at := range instants {
		if last := len(found) - 1; last >= 0 && at.Sub(found[last].to) <= close {
			found[last].to = at
			continue
		}
		found = append(found, span{at, at})
	}
	return found
}

// overlap is for how long two answered at once.
func overlap(a, b []span) (sum time.Duration) {
	for _, one := range a {
		for _, other := range b {
			from, to := one.from, one.to
			if other.from.After(from) {
				from = other.from
			}
			if other.to.Before(to) {
				to = other.to
			}
			sum += max(to.Sub(from), 0)
		}
	}
	return sum
}

// bothOnLink is for how long both hosts answered the observer's questions who has
// the address.
func bothOnLink(claims []lab.Claim) time.Duration {
	when := claimTimes(claims)
	return overlap(spans(when["alpha"], joinedClaims), spans(when["beta"], joinedClaims))
}

// bothForVisitors is for how long both hosts took requests that they answered.
func bothForVisitors(visits []visit) time.Duration {
	when := visitTimes(visits)
	return overlap(spans(when["alpha"], joinedVisits), spans(when["beta"], joinedVisits))
}

// claimTimes says when each host answered on the link.
func claimTimes(claims []lab.Claim) map[string][]time.Time {
	when := map[string][]time.Time{}
	for _, c := range claims {
		if c.Kind == lab.ClaimAnswer {
			when[c.Host] = append(when[c.Host], c.At)
		}
	}
	return when
}

// visitTimes says when each host took requests that it answered.
func visitTimes(visits []visit) map[string][]time.Time {
	when := map[string][]time.Time{}
	for _, v := range visits {
		when[v.host] = append(when[v.host], v.taken)
	}
	return when
}

// longestGap is the longest time between two answers, from one instant to another.
func longestGap(visits []visit, from, to time.Time) time.Duration {
	ends := []time.Time{}
	for _, v := range visits {
		if v.done.After(from) && v.done.Before(to) {
			ends = append(ends, v.done)
		}
	}
	ends = append(ends, from, to)
	slices.SortFunc(ends, time.Time.Compare)
	var longest time.Duration
	for i := 1; i < len(ends); i++ {
		longest = max(longest, ends[i].Sub(ends[i-1]))
	}
	return longest
}
