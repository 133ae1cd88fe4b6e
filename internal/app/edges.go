package app

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/probe"
	"baton/internal/sharedip"
	"baton/internal/store"
)

// bootClock reads CLOCK_BOOTTIME, which goes on while the machine is suspended.
func bootClock() failover.Instant {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("this kernel has no CLOCK_BOOTTIME: " + err.Error()) // since Linux 2.6.39 it cannot fail
	}
	return failover.Instant(ts.Nano())
}

// newBeat tells systemd's watchdog that the loop turns, at most four times in the
// time that it allows; nil without a watchdog.
func newBeat() func() {
	allowed, err := daemon.SdWatchdogEnabled(false)
	if err != nil || allowed == 0 {
		return nil
	}
	var last time.Time
	return func() {
		if now := time.Now(); now.Sub(last) >= allowed/4 {
			last = now
			_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog) // a missed one shows at the next
		}
	}
}

// records is the agent's store.
type records struct{ local *store.Local }

func (r records) SaveRecord(ctx context.Context, record pair.Record) error {
	return r.local.Save(ctx, func(s *store.State) { s.Record = record })
}

// keeper is where the link keeps its secrets.
type keeper struct{ local *store.Local }

func (k keeper) Load() (secrets peer.Secrets, err error) {
	if err = k.local.LoadSecrets(&secrets); errors.Is(err, fs.ErrNotExist) {
		err = nil // none yet
	}
	return secrets, err
}

func (k keeper) Save(secrets peer.Secrets) error { return k.local.SaveSecrets(secrets) }

// addresses are the shared IPs: those of the configuration file, as far as an
// administrator has ticked them.
type addresses struct {
	host    *sharedip.Host
	managed []pair.SharedIP
	local   *store.Local
	targets atomic.Pointer[[]netip.Addr]    // test IPs
	claimed atomic.Pointer[[]pair.SharedIP] // as of the newest claim
	opened  func()                          // told when they are on
}

func newAddresses(host *sharedip.Host, managed []pair.SharedIP, local *store.Local, opened func()) *addresses {
	a := &addresses{host: host, managed: managed, local: local, opened: opened}
	a.claimed.Store(new([]pair.SharedIP))
	a.teach(nil)
	return a
}

// teach tells which machines to ask who has a shared IP.
func (a *addresses) teach(targets []netip.Addr) {
	a.targets.Store(&targets)
	a.host.Teach(targets)
}

// ticked are the addresses that an administrator has enabled.
func (a *addresses) ticked() []pair.SharedIP {
	enabled := a.local.State().SharedIPs
	var ticked []pair.SharedIP
	for _, ip := range a.managed {
		if slices.Contains(enabled, ip.Address.Addr().String()) {
			ticked = append(ticked, ip)
		}
	}
	return ticked
}

func (a *addresses) isTicked(addr netip.Addr) bool {
	return slices.ContainsFunc(a.ticked(), func(ip pair.SharedIP) bool { return ip.Address.Addr() == addr })
}

// Claim implements agent.Addresses.
func (a *addresses) Claim(ctx context.Context, lease time.Duration) error {
	ticked := a.ticked()
	a.claimed.Store(&ticked)
	err := a.host.Set(ctx, ticked, lease)
	if err == nil {
		a.opened()
	}
	return err
}

// Renew implements agent.Addresses. An address that was ticked since the claim
// waits: whether it is free has not been asked yet.
func (a *addresses) Renew(ctx context.Context, lease time.Duration) error {
	ticked := a.ticked()
	var kept []pair.SharedIP
	for _, ip := range *a.claimed.Load() {
		if slices.Contains(ticked, ip) {
			kept = append(kept, ip)
		}
	}
	return a.host.Set(ctx, kept, lease)
}

func (a *addresses) Release(ctx context.Context) error { return a.host.Set(ctx, nil, 0) }

func (a *addresses) Probe(ctx context.Context, wait time.Duration) failover.ProbeResult {
	owners, err := a.host.Probe(ctx, a.ticked(), wait)
	switch {
	case len(owners) > 0:
		return failover.ProbeOwned
	case err != nil:
		return failover.ProbeImpossible
	}
	return failover.ProbeSilent
}

const checkWait = 100 * time.Millisecond

// Check asks the first test IP that is on the link of a shared IP.
func (a *addresses) Check(ctx context.Context) failover.Owner {
	for _, ip := range a.ticked() {
		for _, target := range *a.targets.Load() {
			own, shared, err := a.host.Lost(ctx, ip, target, checkWait)
			switch {
			case errors.Is(err, sharedip.ErrNotOnLink), err == nil && !own:
				continue
			case err != nil:
				return failover.OwnerUnknown
			case shared:
				return failover.OwnerSelf
			case a.host.SearchedInVain(ip, target):
				return failover.OwnerNobody
			}
			return failover.OwnerElsewhere
		}
	}
	return failover.OwnerUnknown
}

func (a *addresses) Announce()        { a.host.Announce(a.ticked()) }
func (a *addresses) Alone(alone bool) { a.host.Quiet(alone) }

// reacher pings the test IPs of the settings.
type reacher struct {
	mu  sync.Mutex
	ips []netip.Addr
}

func (r *reacher) set(ips []netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ips = ips
}

func (r *reacher) Reached(ctx context.Context, need int, wait time.Duration) int {
	r.mu.Lock()
	ips := r.ips
	r.mu.Unlock()
	return probe.Reached(ctx, ips, wait, need)
}

// noServices stands where the services join: this version runs none.
type noServices struct{}

func (noServices) Start(context.Context) error { return nil }
func (noServices) Stop(context.Context)        {}
