package main

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"baton/internal/lab"
)

// span is a time during which something held at every look.
type span struct{ from, to time.Time }

// observer looks from outside which hosts have the shared IP in their kernel,
// and which of them answer on it.
type observer struct {
	lab       *lab.Lab
	ownership *lab.Ownership

	mu      sync.Mutex
	serving map[string][]span
}

// Looks: how often, and how long an answer may take to count.
const (
	ownerLook = 2 * time.Millisecond
	serveLook = 10 * time.Millisecond
	serveWait = 100 * time.Millisecond
)

// observe looks until the function that it returns is called.
func (b *bench) observe(ctx context.Context) (*observer, func()) {
	ctx, cancel := context.WithCancel(ctx)
	o := &observer{lab: b.lab, ownership: b.lab.Ownership(sharedIP().Addr(), ownerLook), serving: map[string][]span{}}
	var wg sync.WaitGroup
	wg.Go(func() { _ = o.ownership.Run(ctx) })
	for _, host := range b.hosts() {
		wg.Go(func() { o.watchServing(ctx, host) })
	}
	return o, func() { cancel(); wg.Wait() }
}

// watchServing asks the host, from within it and so without the network, for the
// site on the shared IP, whenever it has that.
func (o *observer) watchServing(ctx context.Context, host *lab.Host) {
	tick := time.NewTicker(serveLook)
	defer tick.Stop()
	open := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		at := time.Now()
		serves := owns(host) && answersItself(ctx, host)
		o.mu.Lock()
		if spans := o.serving[host.Name()]; serves && open {
			spans[len(spans)-1].to = at
		} else if serves {
			o.serving[host.Name()] = append(spans, span{at, at})
		}
		o.mu.Unlock()
		open = serves
	}
}

func owns(host *lab.Host) bool {
	addresses, err := host.Addresses()
	return err == nil && slices.Contains(addresses, sharedIP().Addr())
}

// answersItself reports whether the host answers a request that it makes to the
// shared IP: were the address not its own, another's name would come back.
func answersItself(ctx context.Context, host *lab.Host) bool {
	client := http.Client{
		Timeout:   serveWait,
		Transport: &http.Transport{DialContext: host.DialContext, DisableKeepAlives: true},
	}
	url := "http://" + netip.AddrPortFrom(sharedIP().Addr(), 80).String() + "/"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK && answer.Header.Get(lab.ApplianceHeader) == host.Name()
}

// owned lists when the host had the address.
func (o *observer) owned(host *lab.Host) (spans []span) {
	for _, interval := range o.ownership.Intervals() {
		if interval.Host == host.Name() {
			spans = append(spans, span{interval.From, interval.To})
		}
	}
	return spans
}

// served lists when the host answered on it.
func (o *observer) served(host *lab.Host) []span {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.serving[host.Name()])
}

// overlap is for how long both held, after an instant.
func overlap(a, b []span, after time.Time) (sum time.Duration) {
	for _, one := range a {
		for _, other := range b {
			from := latest(one.from, other.from, after)
			to := one.to
			if other.to.Before(to) {
				to = other.to
			}
			sum += max(to.Sub(from), 0)
		}
	}
	return sum
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// last is when it held for the last time.
func last(spans []span) time.Time {
	if len(spans) == 0 {
		return time.Time{}
	}
	return spans[len(spans)-1].to
}
