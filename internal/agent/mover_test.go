package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// way is a way of moving clients in a room. The agent and the decision know of none.
type way interface {
	mover(id pair.ApplianceID) Mover
	evidence(id pair.ApplianceID) Evidence
	// owners are the appliances to which clients go.
	owners() []pair.ApplianceID
	// powerOff is what the loss of a machine does by itself.
	powerOff(id pair.ApplianceID)
}

// reach is how an appliance reaches its one test IP, unless it is cut off.
type reach struct {
	room *room
	id   pair.ApplianceID
}

func (r reach) cut() bool {
	r.room.mu.Lock()
	defer r.room.mu.Unlock()
	return r.room.off[r.id]
}

func (r reach) Reached(_ context.Context, _ int, wait time.Duration) int {
	if r.cut() {
		time.Sleep(wait)
		return 0
	}
	return 1
}

// link is a shared IP on a link: each machine may put it on its own card.
type link struct {
	room *room
	mu   sync.Mutex
	has  map[pair.ApplianceID]bool
}

func newLink(r *room) way { return &link{room: r, has: map[pair.ApplianceID]bool{}} }

func (l *link) mover(id pair.ApplianceID) Mover { return &card{link: l, reach: reach{l.room, id}} }

func (l *link) evidence(id pair.ApplianceID) Evidence {
	return &card{link: l, reach: reach{l.room, id}}
}

func (l *link) owners() []pair.ApplianceID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.has))
}

func (l *link) powerOff(id pair.ApplianceID) { l.put(id, false) }

func (l *link) put(id pair.ApplianceID, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.has, id)
	if on {
		l.has[id] = true
	}
}

// card is a network card on the link.
type card struct {
	link *link
	reach
}

func (c *card) Claim(context.Context, Term) error {
	if !c.cut() {
		c.link.put(c.id, true)
	}
	return nil
}

func (c *card) Renew(ctx context.Context, term Term) error { return c.Claim(ctx, term) }
func (c *card) Release(context.Context) error              { c.link.put(c.id, false); return nil }
func (c *card) Leave()                                     {}
func (c *card) Announce()                                  {}
func (c *card) Alone(bool)                                 {}

func (c *card) Probe(_ context.Context, wait time.Duration) failover.ProbeResult {
	owned := slices.ContainsFunc(c.link.owners(), func(id pair.ApplianceID) bool { return id != c.id })
	if c.room.connected() && owned {
		return failover.ProbeOwned
	}
	time.Sleep(wait)
	return failover.ProbeSilent
}

func (c *card) Check(context.Context) failover.Owner { return failover.OwnerUnknown }

// zone is a name, as in the DNS, whose one record a third machine keeps: it says to which
// appliance clients go, and ends unless it is renewed. Whoever reaches the test IP
// reaches that machine.
type zone struct {
	room *room
	mu   sync.Mutex
	name pair.ApplianceID
	ends time.Time
}

func newZone(r *room) way { return &zone{room: r} }

func (z *zone) mover(id pair.ApplianceID) Mover { return &registrar{zone: z, reach: reach{z.room, id}} }

func (z *zone) evidence(id pair.ApplianceID) Evidence {
	return &registrar{zone: z, reach: reach{z.room, id}}
}

func (z *zone) owners() []pair.ApplianceID {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.name == "" || !time.Now().Before(z.ends) {
		return nil
	}
	return []pair.ApplianceID{z.name}
}

func (z *zone) powerOff(pair.ApplianceID) {} // the record ends by itself

// registrar changes the record for one appliance.
type registrar struct {
	zone *zone
	reach
}

var errCut = errors.New("the zone does not answer")

func (r *registrar) Claim(_ context.Context, term Term) error {
	if r.cut() {
		return errCut
	}
	r.zone.mu.Lock()
	defer r.zone.mu.Unlock()
	r.zone.name, r.zone.ends = r.id, time.Now().Add(term.Lease)
	return nil
}

func (r *registrar) Renew(ctx context.Context, term Term) error {
	if term.Shut {
		return r.Release(ctx) // a name that leads nowhere is the way to be shut
	}
	return r.Claim(ctx, term)
}

func (r *registrar) Release(context.Context) error {
	r.zone.mu.Lock()
	defer r.zone.mu.Unlock()
	if r.zone.name == r.id && !r.cut() { // else it ends by itself
		r.zone.name = ""
	}
	return nil
}

func (r *registrar) Leave()     {}
func (r *registrar) Announce()  {}
func (r *registrar) Alone(bool) {}

func (r *registrar) Probe(_ context.Context, wait time.Duration) failover.ProbeResult {
	if r.cut() {
		time.Sleep(wait)
		return failover.ProbeImpossible
	}
	if owners := r.zone.owners(); len(owners) > 0 && owners[0] != r.id {
		return failover.ProbeOwned
	}
	time.Sleep(wait)
	return failover.ProbeSilent
}

func (r *registrar) Check(context.Context) failover.Owner {
	owners := r.zone.owners()
	switch {
	case r.cut():
		return failover.OwnerUnknown
	case len(owners) == 0:
		return failover.OwnerNobody
	case owners[0] == r.id:
		return failover.OwnerSelf
	}
	return failover.OwnerElsewhere
}
