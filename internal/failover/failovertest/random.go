package failovertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// RandomRun lets random faults happen for a span of virtual time, at any
// instant and in any number, checks the invariants throughout, and lets the
// world settle now and then. The same random source gives the same run.
func RandomRun(random *rand.Rand, span time.Duration) Found {
	found := Found{Transitions: map[failover.Explain]int{}}
	c := randomConfig(random)
	w := NewPair(c, nil)
	n := node{world: w, history: &link{text: fmt.Sprintf("%+v", c)}}
	faults := slices.Concat(Faults(), randomFaults(), SickFaults(), TimeoutFaults(pair.MinTimeout, time.Second, 5*time.Second))
	for end := w.Now.Add(span); n.world.Now < end; n.age++ {
		fault := faults[random.IntN(len(faults))]
		see := n.world.Watch(found.count)
		fault.Do(&n.world, see)
		wait := time.Duration(random.Int64N(int64(c.Timeout)))
		n.history = &link{fmt.Sprintf("%s, then %v", fault.Name, wait), n.age, n.history}
		n.world.Run(wait, see)
		found.Worlds++
		if random.IntN(20) == 0 {
			n.history = &link{"all is mended", n.age, n.history}
			n.world.MendAll(see)
			n.world.resume(see)
			if bug := n.world.Mended(found.count, func(*World) bool { return false }); bug != "" {
				found.report(bug, &n)
				return found
			}
		}
		if !found.report(n.world.Bug, &n) {
			return found
		}
	}
	return found
}

func randomConfig(random *rand.Rand) failover.Config {
	c := Default()
	c.Timeout = []time.Duration{pair.MinTimeout, time.Second, 5 * time.Second}[random.IntN(3)]
	c.Poll = pollOf(c.Timeout)
	c.TestIPs = 1 + random.IntN(3)
	c.Majority = random.IntN(2) == 0
	c.TrafficLease = random.IntN(2) == 0
	c.Front = random.IntN(2) == 0
	return c
}

// resume ends what only an administrator ends.
func (w *World) resume(see Observer) {
	for side := range w.Sides {
		record := w.Sides[side].State.Record
		if record.Damped {
			w.Command(side, failover.Resume{}, see)
		}
		if record.Maintenance {
			w.Command(side, failover.SetMaintenance{}, see)
		}
	}
}

// randomFaults are those that only long runs try: many of them leave little trace.
func randomFaults() []Fault {
	var faults []Fault
	for side := range 2 {
		name, s := Name(side), func(w *World) *Side { return &w.Sides[side] }
		faults = append(faults,
			Fault{Name: "disk full on " + name, Do: func(w *World, _ Observer) { s(w).Fails[Saving] = 5 }},
			Fault{Name: "test IP deaf to " + name, Do: func(w *World, _ Observer) { s(w).Deaf++ }},
			Fault{Name: "test IPs hear " + name, Repairs: true, Do: func(w *World, _ Observer) { s(w).Deaf = 0 }},
			Fault{Name: "gateway gone for " + name, Do: func(w *World, _ Observer) { w.Gateway[side] = false }},
			Fault{Name: "requests are passed on slowly by " + name, Do: func(w *World, _ Observer) { s(w).Takes[Forwarding] = s(w).Config.Timeout }},
			Fault{Name: "data does not open on " + name, Do: func(w *World, _ Observer) { s(w).Fails[Opening] = 2 }},
			Fault{Name: "maintenance on " + name, Do: func(w *World, see Observer) { w.Command(side, failover.SetMaintenance{On: true}, see) }},
			Fault{Name: "no maintenance on " + name, Repairs: true, Do: func(w *World, see Observer) { w.Command(side, failover.SetMaintenance{}, see) }},
		)
	}
	return append(append(faults, slowness(Alpha)...), append(slowness(Beta),
		Fault{Name: "key mismatch", Do: func(w *World, _ Observer) { w.Mismatch = pair.KeyMismatch }},
		Fault{Name: "heal", Repairs: true, Do: func(w *World, _ Observer) { w.Heal() }},
		Fault{Name: "heal", Repairs: true, Do: func(w *World, _ Observer) { w.Heal() }},
	)...)
}

// slowness is what takes longer on a side, until it is fast again.
func slowness(side int) []Fault {
	name, s := Name(side), func(w *World) *Side { return &w.Sides[side] }
	return []Fault{
		{Name: "slow services on " + name, Do: func(w *World, _ Observer) {
			s(w).Takes[Stopping], s(w).Takes[Starting] = s(w).Config.Timeout/3, s(w).Config.Timeout/2
		}},
		{Name: "slow requests on " + name, Do: func(w *World, _ Observer) { s(w).Takes[Draining] = s(w).Config.Timeout / 2 }},
		{Name: "requests without end on " + name, Do: func(w *World, _ Observer) { s(w).Takes[Draining] = time.Hour }},
		{Name: "slow data on " + name, Do: func(w *World, _ Observer) {
			s(w).Takes[Opening], s(w).Takes[Syncing] = 2*s(w).Config.Timeout, s(w).Config.Timeout/4
		}},
		{Name: "fast again " + name, Repairs: true, Do: func(w *World, _ Observer) { s(w).Takes = [works]time.Duration{} }},
	}
}
