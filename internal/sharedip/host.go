package sharedip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"baton/internal/pair"

	"github.com/vishvananda/netlink"
)

var (
	// ErrNoCarrier says that an interface is down or its cable is out: silence
	// on it means nothing.
	ErrNoCarrier = errors.New("no carrier: check cable and switch")
	// ErrNotOnLink says that a target is not in a network of the interface, so
	// that its neighbour cache cannot be asked.
	ErrNotOnLink = errors.New("not on the link")
)

// Owner is a machine that has an address.
type Owner struct {
	IP  netip.Addr
	MAC MAC
}

// String renders "198.51.100.10 at 02:00:5e:10:00:0a".
func (o Owner) String() string { return fmt.Sprintf("%s at %s", o.IP, o.MAC) }

// Host is this machine as far as shared IPs go. Its methods may be used from
// several goroutines. Close it after use.
type Host struct {
	managed  []pair.SharedIP
	log      *slog.Logger
	kernel   *kernel
	quiet    atomic.Bool
	loud     atomic.Int64   // when announcements were last resumed, in Unix nanoseconds; 0: never
	settling atomic.Int64   // claims begun before this are to end their schedule, as loud; 0: none
	wake     chan struct{}  // the schedule has changed
	searches *searches      // by other machines, for managed addresses
	placed   func()         // called when an address is on, before it is announced
	moved    atomic.Bool    // an address or an interface has gone or changed since the newest survey
	retired  sync.WaitGroup // sockets being closed

	// mu is held while addresses change and while they are announced, so that
	// nothing is announced after its release.
	mu      sync.Mutex
	claims  map[pair.SharedIP]*claim
	wanted  []pair.SharedIP             // by the newest Set
	found   survey                      // by that, what there was
	looked  time.Time                   // when; zero: it failed
	tookOff map[pair.SharedIP]time.Time // when a stray was last taken off
	taught  []netip.Addr                // who else must know the shared IPs
	ports   map[string]*port            // to send through, by interface
}

// New returns a host that manages these addresses, every one that the
// configuration file names, and touches no other.
func New(managed []pair.SharedIP, log *slog.Logger) *Host {
	return &Host{
		managed:  slices.Clone(managed),
		log:      log,
		kernel:   newKernel(),
		wake:     make(chan struct{}, 1),
		searches: newSearches(),
		placed:   func() {},
		claims:   map[pair.SharedIP]*claim{},
		tookOff:  map[pair.SharedIP]time.Time{},
		ports:    map[string]*port{},
	}
}

// OnPlaced has f called, within Set, when a new address is usable and before it is
// announced: a machine that hears the announcement must find the address open. Call it before the first Set.
func (h *Host) OnPlaced(f func()) { h.placed = f }

// Set makes the wanted addresses, and no other managed one, be on their
// interfaces for the time of the lease (rounded up to whole seconds; 0 is
// forever), after which the kernel takes them off by itself. Call it again to
// renew. Addresses are taken off first, even if ctx is cancelled or another step fails; a
// cancelled ctx claims and renews nothing. A newly claimed address is announced
// before Set returns.
func (h *Host) Set(ctx context.Context, wanted []pair.SharedIP, lease time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.set(ctx, wanted, lease)
}

// set does what Set says. The mutex is held.
func (h *Host) set(ctx context.Context, wanted []pair.SharedIP, lease time.Duration) error {
	h.wanted, h.looked = slices.Clone(wanted), time.Time{}
	h.moved.Store(false)
	began := time.Now()
	found, err := h.kernel.survey(h.managed)
	if err != nil {
		return fmt.Errorf("set shared IPs: %w", err)
	}
	h.found = found
	failed := h.release(found, wanted)
	for _, ip := range wanted {
		if err := h.claim(ctx, found, ip, lease); err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) == 0 {
		h.looked = began
	}
	return errors.Join(failed...)
}

// surveyEvery is how often what is on the interfaces is looked at while addresses are renewed, and
// nothing is known to have changed: that takes much longer than to renew them.
const surveyEvery = time.Second

// Renew is Set if it is still due when nothing else changes addresses any more: what
// was begun before a release must not put an address on after it.
func (h *Host) Renew(ctx context.Context, wanted []pair.SharedIP, lease time.Duration, due func() bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !due() {
		return nil
	}
	if ctx.Err() == nil && slices.Equal(wanted, h.wanted) && time.Since(h.looked) < surveyEvery && !h.moved.Load() && h.extend(lease) {
		return nil
	}
	return h.set(ctx, wanted, lease)
}

// extend renews what was on at the newest look, and reports whether all of it could be. The mutex is held.
func (h *Host) extend(lease time.Duration) bool {
	for _, ip := range h.wanted {
		link := h.found.links[ip.Interface]
		if link == nil || h.kernel.put(link, ip, h.found.own(link, h.managed), lease) != nil {
			return false
		}
	}
	return true
}

// Cleanup takes every managed address off.
func (h *Host) Cleanup(ctx context.Context) error { return h.Set(ctx, nil, 0) }

// Held lists the managed addresses that are on their interfaces now.
func (h *Host) Held(ctx context.Context) ([]pair.SharedIP, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list shared IPs: %w", err)
	}
	found, err := h.kernel.survey(h.managed)
	if err != nil {
		return nil, fmt.Errorf("list shared IPs: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(h.managed), func(ip pair.SharedIP) bool { return !found.holds(ip) }), nil
}

// Close gives the sockets back. It leaves the addresses as they are.
func (h *Host) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, p := range h.ports {
		p.close()
		delete(h.ports, name)
	}
	h.retired.Wait()
	h.kernel.close()
}

// retire closes a port in the background: the kernel takes some 10 ms for it,
// too long for a caller that waits for what the port has heard.
func (h *Host) retire(p *port) { h.retired.Go(p.close) }

// release takes off every managed address that is not wanted as it stands.
func (h *Host) release(found survey, wanted []pair.SharedIP) (failed []error) {
	for _, ip := range h.managed {
		keep := slices.Contains(wanted, ip)
		if !keep {
			delete(h.claims, ip)
		}
		for _, addr := range found.placed(ip) {
			if keep && prefixOf(addr) == ip.Address {
				continue
			}
			if err := h.kernel.take(addr); err != nil {
				failed = append(failed, err)
				continue
			}
			h.log.Info("shared IP released", slog.String("shared_ip", ip.String()))
		}
	}
	return failed
}

// claim puts one address on or renews it, and begins to announce a new one.
func (h *Host) claim(ctx context.Context, found survey, ip pair.SharedIP, lease time.Duration) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("set shared IP %s: %w", ip, err)
	}
	if !slices.Contains(h.managed, ip) {
		return fmt.Errorf("set shared IP %s: not in the configuration file: add it under [[shared_ip]]", ip)
	}
	link := found.links[ip.Interface]
	if link == nil {
		return fmt.Errorf("set shared IP %s: %w: name an interface that this machine has in the configuration file", ip, ErrNoInterface)
	}
	fresh := h.claims[ip] == nil || !found.holds(ip)
	if fresh {
		h.prepare(link)
	}
	if err := h.kernel.put(link, ip, found.own(link, h.managed), lease); err != nil {
		return err
	}
	if fresh {
		h.log.Info("shared IP claimed", slog.String("shared_ip", ip.String()))
		h.await(link, ip)
		h.placed()
		h.begin(link, ip)
	}
	return nil
}

// await does not fail: a machine that got no answer from the address hears one of the
// later announcements.
func (h *Host) await(link netlink.Link, ip pair.SharedIP) {
	if ip.Address.Addr().Is4() || !carrier(link) {
		return // usable as soon as accepted, or nobody there to tell
	}
	if err := h.kernel.awaitUsable(ip.Address.Addr()); err != nil {
		h.log.Warn("shared IP announced early", slog.Any("error", err))
	}
}

func (h *Host) prepare(link netlink.Link) {
	if err := prepare(link); err != nil {
		h.log.Debug("interface not prepared", slog.Any("error", err))
	}
}
