package app

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/probe"
	"baton/internal/sharedip"
)

// evidence is what the network tells beside the peer: whether test IPs answer, and who
// has the shared IP.
type evidence struct {
	host   *sharedip.Host
	ticked func() []pair.SharedIP
	tests  atomic.Pointer[[]netip.Addr] // IPs of the settings
}

func newEvidence(host *sharedip.Host, ticked func() []pair.SharedIP) *evidence {
	e := &evidence{host: host, ticked: ticked}
	e.ask(nil)
	return e
}

// ask says which machines to ask from now on.
func (e *evidence) ask(tests []netip.Addr) {
	e.tests.Store(&tests)
	e.host.AnnounceTo(tests)
}

// Reached implements agent.Evidence.
func (e *evidence) Reached(ctx context.Context, need int, wait time.Duration) int {
	return probe.Reached(ctx, *e.tests.Load(), wait, need)
}

// Probe implements agent.Evidence.
func (e *evidence) Probe(ctx context.Context, wait time.Duration) failover.ProbeResult {
	owners, err := e.host.Probe(ctx, e.ticked(), wait)
	switch {
	case len(owners) > 0:
		return failover.ProbeOwned
	case err != nil:
		return failover.ProbeImpossible
	}
	return failover.ProbeSilent
}

const checkWait = 100 * time.Millisecond

// Check implements agent.Evidence: it asks the first test IP that is on the link of a
// shared IP.
func (e *evidence) Check(ctx context.Context) failover.Owner {
	for _, ip := range e.ticked() {
		for _, target := range *e.tests.Load() {
			own, shared, err := e.host.Lost(ctx, ip, target, checkWait)
			switch {
			case errors.Is(err, sharedip.ErrNotOnLink), err == nil && !own:
				continue
			case err != nil:
				return failover.OwnerUnknown
			case shared:
				return failover.OwnerSelf
			case e.host.SearchedInVain(ip, target):
				return failover.OwnerNobody
			}
			return failover.OwnerElsewhere
		}
	}
	return failover.OwnerUnknown
}
