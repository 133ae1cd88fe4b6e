package lab

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/google/nftables"
)

// Owners lists the hosts whose kernels have the address right now, and let traffic
// of it pass.
func (l *Lab) Owners(ip netip.Addr) ([]string, error) {
	var owners []string
	for _, host := range l.hosts {
		addresses, err := host.Addresses()
		if err != nil {
			return nil, err
		}
		if slices.Contains(addresses, ip) && !host.closes(ip) {
			owners = append(owners, host.name)
		}
	}
	return owners, nil
}

// closes reports whether Baton's traffic lease keeps the traffic of an address out:
// it guards the address, and has run out.
func (h *Host) closes(ip netip.Addr) bool {
	ns, err := h.namespace()
	if err != nil {
		return false
	}
	suffix := "4"
	if ip.Is6() {
		suffix = "6"
	}
	ns.asking.Lock()
	defer ns.asking.Unlock()
	has := func(name string) bool {
		table := &nftables.Table{Name: "baton", Family: nftables.TableFamilyINet}
		elements, err := ns.rules.GetSetElements(&nftables.Set{Table: table, Name: name + suffix})
		return err == nil && slices.ContainsFunc(elements, func(e nftables.SetElement) bool { return bytes.Equal(e.Key, ip.AsSlice()) })
	}
	return has("shared") && !has("alive") && !has("held")
}

// Owned is a time during which a host's kernel had the address without a break.
// Both ends are the instants of looks: the true ones lie within one interval of
// the sampler.
type Owned struct {
	Host     string
	From, To time.Time // first and last look that found it
}

// Ownership looks at an interval who has an address.
type Ownership struct {
	lab   *Lab
	ip    netip.Addr
	every time.Duration

	mu    sync.Mutex
	owned []Owned
	both  []Overlap
	last  map[string]int // host to its open entry in owned
	found []string       // by the last look
}

// Overlap is a time during which two hosts had the same address.
type Overlap struct {
	Hosts    []string
	From, To time.Time // first and last look that found it; equal for a single look
}

// Duration is how long it lasted.
func (o Overlap) Duration() time.Duration { return o.To.Sub(o.From) }

// Ownership returns a sampler of one address; 2 ms is a good interval.
func (l *Lab) Ownership(ip netip.Addr, every time.Duration) *Ownership {
	return &Ownership{lab: l, ip: ip, every: every, last: map[string]int{}}
}

// Run looks until ctx ends.
func (o *Ownership) Run(ctx context.Context) error {
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	for {
		owners, err := o.lab.Owners(o.ip)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("look who has %s: %w", o.ip, err)
		}
		o.note(time.Now(), owners)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (o *Ownership) note(at time.Time, owners []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for host := range o.last {
		if !slices.Contains(owners, host) {
			delete(o.last, host)
		}
	}
	for _, host := range owners {
		i, open := o.last[host]
		if !open {
			i = len(o.owned)
			o.last[host] = i
			o.owned = append(o.owned, Owned{Host: host, From: at})
		}
		o.owned[i].To = at
	}
	o.noteOverlap(at, owners)
	o.found = owners
}

func (o *Ownership) noteOverlap(at time.Time, owners []string) {
	switch {
	case len(owners) < 2:
	case slices.Equal(owners, o.found):
		o.both[len(o.both)-1].To = at
	default:
		o.both = append(o.both, Overlap{Hosts: owners, From: at, To: at})
	}
}

// Intervals lists who had the address when, in the order of their beginnings.
func (o *Ownership) Intervals() []Owned {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.owned)
}

// Overlaps lists the times at which more than one host had the address. Whether
// both also served is the client's to say.
func (o *Ownership) Overlaps() []Overlap {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.both)
}
