package failovertest

import (
	"fmt"
	"strings"
	"time"

	"baton/internal/failover"
)

// Bounds limits an exploration.
type Bounds struct {
	Faults int           // how many may happen in one history
	Step   time.Duration // between two chances for a fault
	Settle time.Duration // after which everything must be well again
	Steps  int           // within which the faults happen
}

// Found is what an exploration saw.
type Found struct {
	Worlds      int // visited
	Distinct    int // among them
	Transitions map[failover.Explain]int
	Bug         string // the first invariant that broke; "" if none
	History     []string
}

// String renders the outcome for a person.
func (f Found) String() string {
	if f.Bug == "" {
		return fmt.Sprintf("%d worlds visited, %d distinct, %d kinds of transition, no bug", f.Worlds, f.Distinct, len(f.Transitions))
	}
	return fmt.Sprintf("%d worlds, then %s after:\n  %s", f.Worlds, f.Bug, strings.Join(f.History, "\n  "))
}

// node is a world on the frontier, and how it came about.
type node struct {
	world   World
	left    int // faults that may still happen
	age     int // steps since the start
	history *link
}

type link struct {
	text string
	step int
	prev *link
}

func (l *link) list() []string {
	var all []string
	for ; l != nil; l = l.prev {
		all = append([]string{fmt.Sprintf("step %d: %s", l.step, l.text)}, all...)
	}
	return all
}

// Explore visits, breadth first, every world that the faults can lead to within
// the bounds, checks the invariants in each, and lets each settle at the end.
// Repairs cost nothing, so that a fault may last for any number of steps.
func Explore(start World, faults []Fault, bounds Bounds) Found {
	found := Found{Transitions: map[failover.Explain]int{}}
	seen := map[World]int{}
	frontier := []node{{world: canonical(start), left: bounds.Faults}}
	for range bounds.Steps {
		var next []node
		for _, n := range frontier {
			for _, branch := range branches(n, faults) {
				if !found.visit(&branch, bounds) {
					return found
				}
				branch.world = canonical(branch.world)
				if left, known := seen[branch.world]; known && left >= branch.left {
					continue
				}
				seen[branch.world] = branch.left
				next = append(next, branch)
			}
		}
		frontier = next
	}
	found.Distinct = len(seen)
	for _, n := range frontier {
		if !found.settle(n, bounds) {
			return found
		}
	}
	return found
}

func branches(n node, faults []Fault) []node {
	all := []node{n}
	all[0].age++
	for _, fault := range faults {
		cost := 1
		if fault.Repairs {
			cost = 0
		}
		if n.left < cost || fault.Repairs && n.history == nil {
			continue
		}
		after := n.world
		fault.Do(&after, after.Watch(nil))
		if after == n.world {
			continue
		}
		all = append(all, node{world: after, left: n.left - cost, age: n.age + 1, history: &link{fault.Name, n.age, n.history}})
	}
	return all
}

func (f *Found) visit(n *node, bounds Bounds) bool {
	f.Worlds++
	n.world.Run(bounds.Step, n.world.Watch(f.count))
	return f.report(n.world.Bug, n)
}

func (f *Found) report(bug string, n *node) bool {
	if bug == "" {
		return true
	}
	f.Bug, f.History = bug, n.history.list()
	return false
}

func (f *Found) count(_ int, action failover.Action) {
	if explain, ok := action.(failover.Explain); ok {
		f.Transitions[explain]++
	}
}

// settle mends everything in a copy of the world, and expects it to come right.
func (f *Found) settle(n node, bounds Bounds) bool {
	see := n.world.Watch(f.count)
	n.world.MendAll(see)
	n.world.Run(bounds.Settle, see)
	if n.world.Bug == "" {
		n.world.Bug = n.world.Settled()
	}
	return f.report(n.world.Bug, &n)
}
