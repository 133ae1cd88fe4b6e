package failovertest

import (
	"slices"
	"strings"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// Start is a world to begin with.
type Start struct {
	Name   string
	World  World
	Faults []Fault
}

// Quick is the configuration that is explored: coarse enough that few instants
// differ, with a timeout that makes every rule matter.
func Quick() failover.Config {
	c := Default()
	c.Timeout, c.Poll = time.Second, 100*time.Millisecond
	return c
}

// Smallest is the same with the smallest timeout.
func Smallest() failover.Config {
	c := Default()
	c.Timeout, c.Poll = pair.MinTimeout, pair.MinPoll
	return c
}

// Starts lists the worlds that exploration begins with.
func Starts(c failover.Config) []Start {
	steady := NewPair(c, nil)
	cold := Paired(c)
	for side := range cold.Sides {
		cold.Sides[side].Disk.Snapshot, cold.Sides[side].Offer = steady.Sides[side].Disk.Snapshot, steady.Sides[side].Offer
		cold.Start(side, nil)
	}
	return []Start{
		{"steady pair", steady, Faults()},
		{"cold start of both", cold, Faults()},
		{"handover under way", handingOver(c), Faults()},
		{"two primaries", twoPrimaries(c), Faults()},
		{"standalone", standalone(c), PairingFaults()},
		{"a pair that is forced", cutOff(c), ForcingFaults()},
		{"a primary that was set back", setBack(c), ForcingFaults()},
		{"a pair with traffic leases", NewPair(leased(c), nil), Faults()},
		{"handover with traffic leases", handingOver(leased(c)), Faults()},
		{"handover behind Baton's own doors", handingOver(fronted(c)), Faults()},
		{"handover by a primary whose services start late", startsLate(handingOver(c)), Faults()},
		{"a pair whose site is sick", sick(c), append(cuts(), SickFaults()...)},
		{"a pair whose timeout changes", NewPair(leased(c), nil), append(TimeoutFaults(pair.MinTimeout, time.Second, 3*time.Second), cuts()...)},
	}
}

// cuts are the faults that a timeout is there for.
func cuts() []Fault {
	return slices.DeleteFunc(Faults(), func(f Fault) bool {
		return !slices.ContainsFunc([]string{"partition", "polls", "heal", "cable", "kill", "start", "pause", "thaw"}, func(word string) bool {
			return strings.Contains(f.Name, word)
		})
	})
}

// sick is a pair whose site was sick on alpha, and has just moved to beta.
func sick(c failover.Config) World {
	w := NewPair(c, nil)
	w.Command(Alpha, failover.SiteHealth{Sick: true}, nil)
	w.Run(c.Timeout, nil)
	return w
}

// leased adds the traffic lease: the kernel closes a site in time.
func leased(c failover.Config) failover.Config {
	c.TrafficLease = true
	return c
}

// fronted is a pair behind Baton's own doors, which pass requests on in a planned switch.
func fronted(c failover.Config) failover.Config {
	c = leased(c)
	c.Front = true
	return c
}

// handingOver is a pair in the middle of a handover, each step of which takes a while.
func handingOver(c failover.Config) World {
	w := NewPair(c, nil)
	for side := range w.Sides {
		w.Sides[side].Takes[Syncing] = 300 * time.Millisecond
		w.Sides[side].Takes[Draining] = 300 * time.Millisecond
		w.Sides[side].Takes[Stopping] = 300 * time.Millisecond
		w.Sides[side].Takes[Starting] = 300 * time.Millisecond
		w.Sides[side].Takes[Forwarding] = 300 * time.Millisecond
	}
	w.Command(Beta, failover.BecomePrimary{FinalSync: true}, nil)
	return w
}

// startsLate has the services of alpha start so late after a roll-back that beta may have
// taken over meanwhile.
func startsLate(w World) World {
	w.Sides[Alpha].Takes[Starting], w.Sides[Beta].Takes[Starting] = 900*time.Millisecond, 0
	return w
}

// cutOff is a pair whose primary has just lost its cable.
func cutOff(c failover.Config) World {
	w := NewPair(c, nil)
	w.Cable(Alpha, false)
	return w
}

// setBack is a pair whose primary has just started from an older image of its disk.
func setBack(c failover.Config) World {
	w := NewPair(c, nil)
	w.PowerOff(Alpha)
	w.SetBack(Alpha)
	w.Start(Alpha, nil)
	return w
}

// twoPrimaries is a pair whose link is cut, right after the backup took over.
func twoPrimaries(c failover.Config) World {
	w := NewPair(c, nil)
	w.Link = [2]bool{}
	for w.Sides[Beta].State.Record.Role != pair.Primary {
		w.Run(10*time.Millisecond, nil)
	}
	return w
}

// standalone is a site on alpha, and beta started beside it.
func standalone(c failover.Config) World {
	w := New(c)
	w.Start(Alpha, nil)
	w.Run(2*c.Timeout, nil)
	w.Start(Beta, nil)
	w.Run(c.Timeout, nil)
	return w
}
