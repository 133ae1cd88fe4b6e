package failovertest

import (
	"fmt"
	"hash/maphash"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"baton/internal/failover"
)

// Bounds limits an exploration.
type Bounds struct {
	Faults int           // how many may happen in one history
	Steps  int           // within which they happen
	Step   time.Duration // between two chances for a fault
}

// Found is what an exploration saw.
type Found struct {
	Worlds      int // visited
	Distinct    int // among them
	Transitions map[failover.Explain]int
	Bug         string // an invariant that broke; "" if none did
	History     []string

	settled map[uint64]bool // worlds that are known to come right
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
	key     uint64 // its hash
	left    int    // faults that may still happen
	age     int    // steps since the start
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
		all = append(all, fmt.Sprintf("step %d: %s", l.step, l.text))
	}
	slices.Reverse(all)
	return all
}

// Explore visits, breadth first, every world that the faults can lead to within
// the bounds, checks the invariants in each, and lets each settle at the end.
// Repairs cost nothing, so that a fault may last for any number of steps.
func Explore(start World, faults []Fault, bounds Bounds) Found {
	found := Found{Transitions: map[failover.Explain]int{}}
	seen := visited{seed: maphash.MakeSeed(), left: map[uint64]int{}}
	frontier := []*node{{world: canonical(start), left: bounds.Faults}}
	for range bounds.Steps {
		next := overParts(frontier, &found, func(n *node, part *Found) []*node {
			return part.expand(n, faults, bounds, &seen)
		})
		if found.Bug != "" {
			return found
		}
		frontier = frontier[:0:0]
		for _, n := range next {
			if seen.add(n) {
				frontier = append(frontier, n)
			}
		}
	}
	found.Distinct = len(seen.left)
	overParts(frontier, &found, func(n *node, part *Found) []*node { part.settle(n, &seen); return nil })
	return found
}

// visited remembers the worlds that were seen, by their hash, and how many faults
// were left in each.
type visited struct {
	seed maphash.Seed
	left map[uint64]int
}

func (k *visited) hash(w *World) uint64 { return maphash.Comparable(k.seed, *w) }

// has reports whether a world was seen with as many faults left. It only reads.
func (k *visited) has(n *node) bool {
	left, ok := k.left[n.key]
	return ok && left >= n.left
}

func (k *visited) add(n *node) bool {
	if k.has(n) {
		return false
	}
	k.left[n.key] = n.left
	return true
}

// overParts does work on every node, on all processors, and gathers what it
// found, in order.
func overParts(nodes []*node, found *Found, work func(*node, *Found) []*node) []*node {
	parts := runtime.GOMAXPROCS(0)
	results, founds := make([][]*node, parts), make([]Found, parts)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			founds[i].Transitions, founds[i].settled = map[failover.Explain]int{}, map[uint64]bool{}
			for _, n := range nodes[len(nodes)*i/parts : len(nodes)*(i+1)/parts] {
				if results[i] = append(results[i], work(n, &founds[i])...); founds[i].Bug != "" {
					return
				}
			}
		})
	}
	wg.Wait()
	for _, f := range founds {
		found.add(f)
	}
	return slices.Concat(results...)
}

func (f *Found) add(other Found) {
	f.Worlds += other.Worlds
	for explain, times := range other.Transitions {
		f.Transitions[explain] += times
	}
	if f.Bug == "" {
		f.Bug, f.History = other.Bug, other.History
	}
}

// expand returns what one step can make of a world, without what was seen.
func (f *Found) expand(n *node, faults []Fault, bounds Bounds, seen *visited) []*node {
	next := f.step(nil, *n, bounds, seen)
	for _, fault := range faults {
		cost := 1
		if fault.Repairs {
			cost = 0
		}
		if f.Bug != "" || n.left < cost || fault.Repairs && n.history == nil {
			continue
		}
		after := node{world: n.world, left: n.left - cost, age: n.age}
		if fault.Do(&after.world, after.world.Watch(nil)); after.world != n.world {
			after.history = &link{fault.Name, n.age, n.history}
			next = f.step(next, after, bounds, seen)
		}
	}
	return next
}

// step lets a world go on, and adds it to the others if it is new.
func (f *Found) step(others []*node, n node, bounds Bounds, seen *visited) []*node {
	f.Worlds++
	n.age++
	n.world.Run(bounds.Step, n.world.Watch(f.count))
	if !f.report(n.world.Bug, &n) {
		return others
	}
	n.world = canonical(n.world)
	if n.key = seen.hash(&n.world); seen.has(&n) {
		return others
	}
	return append(others, &n)
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

// settle mends everything in a copy of the world, and expects it to come right
// and to stay so.
func (f *Found) settle(n *node, seen *visited) {
	n.world.MendAll(n.world.Watch(f.count))
	var way []uint64
	bug := n.world.Mended(f.count, func(w *World) bool {
		way = append(way, seen.hash(new(canonical(*w))))
		return f.settled[way[len(way)-1]]
	})
	if !f.report(bug, n) {
		return
	}
	for _, key := range way {
		f.settled[key] = true
	}
}
