package probe

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"baton/internal/pair"
)

// Ping sends an ICMP echo to every address at once, a second one to those that
// have not answered after half the timeout, and returns one result per address,
// in order, as soon as all have answered, at the latest after the timeout.
func Ping(ctx context.Context, ips []netip.Addr, timeout time.Duration) []pair.Reach {
	r := newRound(ips, len(ips), timeout)
	r.run(ctx)
	return r.results
}

// Reached pings as Ping does and returns how many addresses have answered, as
// soon as need have (at least one), at the latest after the timeout.
func Reached(ctx context.Context, ips []netip.Addr, timeout time.Duration, need int) int {
	r := newRound(ips, max(need, 1), timeout)
	r.run(ctx)
	return r.reached
}

// attempts is how many echoes an address gets within the timeout.
const attempts = 2

// round is one test of all addresses.
type round struct {
	ips     []netip.Addr
	need    int // answers after which the rest is not waited for
	timeout time.Duration
	token   token

	mu      sync.Mutex // guards what follows: each family has a goroutine
	sent    [][attempts]time.Time
	given   []bool // nothing more is expected of this address
	results []pair.Reach
	reached int
}

func newRound(ips []netip.Addr, need int, timeout time.Duration) *round {
	r := &round{
		ips: ips, need: need, timeout: timeout,
		token:   newToken(),
		sent:    make([][attempts]time.Time, len(ips)),
		given:   make([]bool, len(ips)),
		results: make([]pair.Reach, len(ips)),
	}
	for i, ip := range ips {
		r.results[i] = pair.Reach{IP: ip.String(), Reason: "no answer within " + pair.DurationText(timeout)}
	}
	return r
}

// run opens one socket per family and talks on each until all is known.
func (r *round) run(ctx context.Context) {
	within, enough := context.WithCancel(ctx)
	defer enough()
	var talking sync.WaitGroup
	for _, f := range families() {
		members := r.members(f)
		if len(members) == 0 {
			continue
		}
		line, err := f.open(ctx)
		if err != nil {
			r.refuse(members, err)
			continue
		}
		talking.Go(func() {
			defer line.close()
			r.talk(within, enough, line, members)
		})
	}
	talking.Wait()
	if errors.Is(ctx.Err(), context.Canceled) {
		r.cancelled()
	}
}

// members lists the indices of the addresses of one family.
func (r *round) members(f family) []int {
	var list []int
	for i, ip := range r.ips {
		if ip.Unmap().Is4() == f.four {
			list = append(list, i)
		}
	}
	return list
}

// talk sends to the members and listens, once per attempt; enough ends the
// round. The timeout counts from the first send: a machine that has no processor
// for a while asks later, and listens as long.
func (r *round) talk(ctx context.Context, enough func(), line *line, members []int) {
	stop := context.AfterFunc(ctx, line.interrupt)
	defer stop()
	var first time.Time
	for attempt := range attempts {
		r.send(line, members, attempt)
		if attempt == 0 {
			first = time.Now()
		}
		line.until(first.Add(r.timeout / attempts * time.Duration(attempt+1)))
		r.listen(ctx, enough, line, members)
		if ctx.Err() != nil || r.settled(members) {
			return
		}
	}
}

// listen takes replies in until the line gives up, all is known, or ctx ends.
func (r *round) listen(ctx context.Context, enough func(), line *line, members []int) {
	for !r.settled(members) && ctx.Err() == nil { // after setting the deadline: it may have undone the interruption
		seq, from, err := line.receive(r.token)
		if err != nil {
			return
		}
		if r.answered(seq, from) {
			enough()
		}
	}
}

// send asks the members that have not answered.
func (r *round) send(line *line, members []int, attempt int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range members {
		if r.given[i] {
			continue
		}
		r.sent[i][attempt] = time.Now()
		if err := line.send(r.ips[i], i*attempts+attempt, r.token); err != nil {
			r.results[i].Reason = reason(err)
			r.given[i] = attempt == attempts-1
		}
	}
}

// answered notes a reply and reports whether there are enough now.
func (r *round) answered(seq int, from netip.Addr) bool {
	at := time.Now()
	i, attempt := seq/attempts, seq%attempts
	r.mu.Lock()
	defer r.mu.Unlock()
	if i >= len(r.ips) || r.given[i] || from != bare(r.ips[i]) {
		return false
	}
	r.given[i] = true
	trip := at.Sub(r.sent[i][attempt])
	r.results[i] = pair.Reach{IP: r.ips[i].String(), Reachable: true, RTTMS: float64(trip) / float64(time.Millisecond)}
	r.reached++
	return r.reached >= r.need
}

// settled reports whether nothing more is expected of the members.
func (r *round) settled(members []int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range members {
		if !r.given[i] {
			return false
		}
	}
	return true
}

// refuse notes why the members could not be asked at all.
func (r *round) refuse(members []int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range members {
		r.results[i].Reason = reason(err)
		r.given[i] = true
	}
}

// cancelled tells those that had no time to answer from those that did not.
func (r *round) cancelled() {
	for i := range r.results {
		if !r.given[i] {
			r.results[i].Reason = "the test was cancelled"
		}
	}
}

// bare is the address as the other side writes it: not mapped, without a zone.
func bare(ip netip.Addr) netip.Addr { return ip.Unmap().WithZone("") }
