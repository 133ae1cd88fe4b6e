package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"baton/internal/agent"
	"baton/internal/config"
	"baton/internal/lease"
	"baton/internal/pair"
	"baton/internal/sharedip"
	"baton/internal/store/local"
)

// addresses are the shared IPs: those of the configuration file, as far as an
// administrator has ticked them.
type addresses struct {
	host    *sharedip.Host
	managed []pair.SharedIP
	local   *local.Store
	claimed atomic.Pointer[[]pair.SharedIP] // as of the newest claim
	opened  func(time.Duration)             // called when they are on, with how long that took
	lease   *lease.Lease
	log     *slog.Logger
	carrier atomic.Bool                     // of the interfaces of all that are ticked, as last seen
	links   atomic.Pointer[map[string]bool] // whether each interface has a carrier, as last seen; nil: not looked at yet

	placing atomic.Pointer[lease.Term] // of the claim under way; nil: none is
	lives   lifetimes                  // are extended beside the loop
	ending  sync.WaitGroup             // of connections, after the site was given away
	telling sync.WaitGroup             // announcements that may wait for the kernel, as an extension

	// The rest belongs to the agent's loop.
	guarded []pair.SharedIP // by the traffic lease
	shut    bool            // the newest term is: no traffic passes
	parked  bool            // they had to be taken off for that
}

func newAddresses(host *sharedip.Host, traffic *lease.Lease, managed []pair.SharedIP, local *local.Store, log *slog.Logger, opened func(time.Duration)) *addresses {
	a := &addresses{host: host, lease: traffic, managed: managed, local: local, log: log, opened: opened}
	a.claimed.Store(new([]pair.SharedIP))
	a.carrier.Store(true)
	host.OnPlaced(func() {
		if term := a.placing.Load(); term != nil {
			_ = a.lease.Open(*term) // Claim tells what came of it
		}
	})
	a.keepOut() // nothing is on an interface yet
	return a
}

// ticked are the addresses that an administrator has enabled.
func (a *addresses) ticked() []pair.SharedIP { return ticked(a.managed, a.local) }

func ticked(managed []pair.SharedIP, local *local.Store) (ticked []pair.SharedIP) {
	enabled := local.State().SharedIPs
	for _, ip := range managed {
		if slices.Contains(enabled, ip.Address.Addr().String()) {
			ticked = append(ticked, ip)
		}
	}
	return ticked
}

func (a *addresses) isTicked(addr netip.Addr) bool {
	return slices.ContainsFunc(a.ticked(), func(ip pair.SharedIP) bool { return ip.Address.Addr() == addr })
}

// linked reports whether the interface of every ticked address has a carrier, and
// whether that is news.
func (a *addresses) linked(carrier map[string]bool) (up, changed bool) {
	a.links.Store(&carrier)
	up = !slices.ContainsFunc(a.ticked(), func(ip pair.SharedIP) bool { return !carrier[ip.Interface] })
	return up, a.carrier.Swap(up) != up
}

// Conditions tells of shared IPs whose interface this machine has not.
func (a *addresses) Conditions() (found []pair.Condition) {
	links := a.links.Load()
	if links == nil {
		return nil
	}
	for _, ip := range a.ticked() {
		if _, there := (*links)[ip.Interface]; !there {
			found = append(found, pair.Condition{
				ID: "shared-ip-no-interface", Severity: pair.Critical,
				Text:     "This machine has no interface " + ip.Interface + ", which the shared IP " + ip.Address.Addr().String() + " is for: this appliance can serve nobody there.",
				NextStep: "Correct interface in [[shared_ip]] of the configuration file (ip link lists the interfaces), and restart the daemon; or bring the interface back.",
			})
			break // one condition has one text
		}
	}
	return found
}

// Claim implements agent.Mover. An address is guarded before it goes on, and open before
// it is announced.
func (a *addresses) Claim(ctx context.Context, term agent.Term) error {
	ticked := a.ticked()
	a.claimed.Store(&ticked)
	a.shut, a.parked = false, false
	a.ending.Wait()
	began := agent.BootClock()
	a.guard(ticked)
	now := passing(term)
	a.placing.Store(&now)
	err := a.set(ctx, ticked, term.Lease)
	a.placing.Store(nil)
	if err != nil {
		return err
	}
	a.opened(agent.BootClock().Sub(began))
	a.logFailure(a.lease.Open(now)) // what could not be opened now, the renewals open
	return nil
}

// set puts these addresses on, and takes the others off. An extension of lifetimes
// that still waits for the kernel is dropped.
func (a *addresses) set(ctx context.Context, ips []pair.SharedIP, length time.Duration) error {
	a.lives.drop()
	return a.host.Set(ctx, ips, length)
}

// passing is how long traffic may pass in a term.
func passing(term agent.Term) lease.Term {
	return lease.Term{Longest: term.Lease, Until: time.Duration(term.Until)}
}

// guard has the traffic lease guard these addresses; without it the lifetime of
// the address remains.
func (a *addresses) guard(ips []pair.SharedIP) {
	if slices.Equal(ips, a.guarded) {
		return
	}
	a.guarded = ips
	a.logFailure(a.lease.Guard(ips))
}

func (a *addresses) logFailure(err error) {
	if err != nil {
		a.log.Warn("traffic lease", slog.String("error", err.Error()))
	}
}

// kept are the addresses that were claimed and are still ticked. One that was
// ticked since the claim waits: whether it is free has not been asked yet.
func (a *addresses) kept() (kept []pair.SharedIP) {
	ticked := a.ticked()
	for _, ip := range *a.claimed.Load() {
		if slices.Contains(ticked, ip) {
			kept = append(kept, ip)
		}
	}
	return kept
}

// Renew implements agent.Mover. Where no rules keep traffic out of addresses that are shut,
// they go off.
func (a *addresses) Renew(ctx context.Context, term agent.Term) error {
	switch {
	case !term.Shut:
		return a.renew(ctx, term.Lease, func() error { return a.lease.Renew(passing(term)) })
	case a.parked || !a.lease.InForce():
		return a.park(ctx)
	case a.shut:
		return a.renew(ctx, term.Lease, func() error { return a.lease.RenewHeld(passing(term)) })
	}
	err := a.lease.Hold(passing(term))
	if a.shut = err == nil; a.shut {
		return nil
	}
	a.logFailure(err)
	return errors.Join(a.lease.Close(), a.park(ctx))
}

// renew extends traffic first, since that waits for no lock. The lifetimes of the
// addresses are extended outside the loop: the kernel makes that wait while another
// program changes an interface.
func (a *addresses) renew(ctx context.Context, length time.Duration, traffic func() error) error {
	kept := a.kept()
	if !slices.Equal(kept, a.guarded) { // one is no longer ticked
		err := a.set(ctx, kept, length)
		if err == nil {
			a.guard(kept)
		}
		return err
	}
	lapsed := traffic()
	if errors.Is(lapsed, lease.ErrEnded) {
		lapsed = nil // the decision knows
	}
	return errors.Join(lapsed, a.lives.extend(ctx, length, func(ctx context.Context, due func() bool) error {
		return a.host.Renew(ctx, kept, length, due)
	}))
}

// park takes the addresses off until the next Claim.
func (a *addresses) park(ctx context.Context) error {
	if a.parked {
		return nil
	}
	err := a.set(ctx, nil, 0)
	a.parked = err == nil
	// From an IPv6 address that is off, the kernel sends what open connections hold.
	six := slices.DeleteFunc(slices.Clone(a.managed), func(ip pair.SharedIP) bool { return ip.Address.Addr().Is4() })
	a.endConnections(six)
	return err
}

// Leave implements agent.Mover.
func (a *addresses) Leave() {
	a.ending.Go(func() { a.endConnections(a.managed) })
}

// mostEnding bounds for how long a switch waits until connections have ended: some
// thousands. Others end without their clients' learning of it.
const mostEnding = 50 * time.Millisecond

func (a *addresses) endConnectionsWithin(limit time.Duration) {
	done := make(chan struct{})
	a.ending.Go(func() {
		defer close(done)
		a.endConnections(a.managed)
	})
	select {
	case <-done:
	case <-time.After(limit):
	}
}

func (a *addresses) endConnections(to []pair.SharedIP) {
	if err := a.host.EndConnections(to...); err != nil {
		a.log.Warn("connections to the shared IP not ended", slog.String("error", err.Error()))
	}
}

// Release implements agent.Mover: traffic ends first, and waits for nothing.
// The rules stay as long as an address does. If the role has been given away, the
// connections end while the address is still here: only then do their clients learn of
// it.
func (a *addresses) Release(ctx context.Context) error {
	a.logFailure(a.lease.Close())
	if a.local.State().Record.Role == pair.Backup {
		a.endConnectionsWithin(mostEnding)
	}
	if err := a.set(ctx, nil, 0); err != nil {
		return err
	}
	a.shut, a.parked, a.guarded = false, false, nil
	a.keepOut()
	a.lease.Unguard()
	return nil
}

// keepOut has what still arrives for the shared IPs of a pair end here while this
// appliance does not serve them.
func (a *addresses) keepOut() {
	var away []pair.SharedIP
	if a.local.State().Record.Role != pair.Standalone {
		away = a.ticked()
	}
	a.lease.Away(away)
}

// Announce implements agent.Mover. What is not held any more by then is not announced.
func (a *addresses) Announce() {
	a.telling.Go(func() { a.host.Announce(a.ticked()) })
}

// Alone implements agent.Mover.
func (a *addresses) Alone(alone bool) { a.host.PauseAnnouncements(alone) }

// ownPorts are the TCP ports at which nobody but Baton answers on a shared IP: its
// doors hold requests there while a planned switch keeps other traffic out.
func ownPorts(c config.Config) (ports []uint16) {
	listen := slices.Clone(c.Listen)
	if c.Site != nil {
		listen = append(listen, c.Site.Addresses()...)
	}
	for _, address := range listen {
		host, port, err := net.SplitHostPort(address)
		number, notNumber := strconv.ParseUint(port, 10, 16)
		if err != nil || notNumber != nil {
			continue
		}
		if ip, err := netip.ParseAddr(host); err != nil || ip.IsUnspecified() || slices.ContainsFunc(c.SharedIPs, func(s pair.SharedIP) bool { return s.Address.Addr() == ip }) {
			ports = append(ports, uint16(number))
		}
	}
	return ports
}
