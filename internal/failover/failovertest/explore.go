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
	seen := &visited{seed: maphash.MakeSeed(), left: map[uint64]int{}}
	x := explorer{faults, bounds, seen}
	canonize(&start)
	frontier := []*node{{world: start, left: bounds.Faults}}
	for range bounds.Steps {
		next := x.overParts(frontier, &found, (*part).expand)
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
	x.overParts(frontier, &found, (*part).settle)
	return found
}

// explorer is what all parts of an exploration go by. They only read it.
type explorer struct {
	faults []Fault
	bounds Bounds
	seen   *visited
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

// part is the work of one processor.
type part struct {
	explorer
	found   Found
	next    []*node         // worlds that one more step leads to
	at      node            // the world at hand: most were seen before, and cost no memory
	mended  map[uint64]bool // worlds that were mended, and left to settle
	settled map[uint64]bool // worlds that are known to come right
}

// overParts does work on every node, on all processors, and gathers what it
// found, in order.
func (x explorer) overParts(nodes []*node, found *Found, work func(*part, *node)) (next []*node) {
	parts := make([]part, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			p := &parts[i]
			p.explorer, p.mended, p.settled = x, map[uint64]bool{}, map[uint64]bool{}
			p.found.Transitions = map[failover.Explain]int{}
			for _, n := range nodes[len(nodes)*i/len(parts) : len(nodes)*(i+1)/len(parts)] {
				if work(p, n); p.found.Bug != "" {
					return
				}
			}
		})
	}
	wg.Wait()
	for i := range parts {
		found.add(parts[i].found)
		next = append(next, parts[i].next...)
	}
	return next
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

// expand finds what one step can make of a world, without what was seen.
func (p *part) expand(n *node) {
	p.at = *n
	p.step()
	for _, fault := range p.faults {
		cost := 1
		if fault.Repairs {
			cost = 0
		}
		if p.found.Bug != "" || n.left < cost || fault.Repairs && n.history == nil {
			continue
		}
		p.at = node{world: n.world, left: n.left - cost, age: n.age}
		if fault.Do(&p.at.world, p.at.world.Watch(nil)); p.at.world != n.world {
			p.at.history = &link{fault.Name, n.age, n.history}
			p.step()
		}
	}
}

// step lets the world at hand go on, and adds it to the next ones if it is new.
func (p *part) step() {
	n := &p.at
	p.found.Worlds++
	n.age++
	n.world.Run(p.bounds.Step, n.world.Watch(p.found.count))
	if !p.found.report(n.world.Bug, n) {
		return
	}
	canonize(&n.world)
	if n.key = p.seen.hash(&n.world); p.seen.has(n) {
		return
	}
	added := *n
	p.next = append(p.next, &added)
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

// settle mends everything in a world, and expects it to come right and to stay
// so. Many worlds are the same once they are mended; one of them is enough.
func (p *part) settle(n *node) {
	n.world.MendAll(n.world.Watch(p.found.count))
	start := p.hash(&n.world)
	if p.mended[start] {
		return
	}
	p.mended[start] = true
	var way []uint64
	bug := n.world.Mended(p.found.count, func(w *World) bool {
		way = append(way, p.hash(w))
		return p.settled[way[len(way)-1]]
	})
	if !p.found.report(bug, n) {
		return
	}
	for _, key := range way {
		p.settled[key] = true
	}
}

// hash is that of the canonical world.
func (p *part) hash(w *World) uint64 {
	p.at.world = *w
	canonize(&p.at.world)
	return p.seen.hash(&p.at.world)
}
