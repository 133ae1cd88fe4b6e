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
	"baton/internal/tick"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Events are told by Run, on its own goroutine: they must return soon.
type Events struct {
	// Foreign: another machine says that it has an address that we hold. At most
	// once a second for each owner.
	Foreign func(Owner)
	// Elsewhere: another machine says that it has a managed address that we do
	// not hold. At most once in 20 ms for each owner.
	Elsewhere func(Owner)
	// Probed: another machine asks the link, as one does that is about to use the
	// address, whether a managed address is free (RFC 5227, RFC 4862). At most
	// once in 20 ms for each machine.
	Probed func(by Owner)
	// Links: which interfaces of managed addresses have a carrier, whenever that
	// may have changed. An interface that does not exist is absent.
	Links func(carrier map[string]bool)
	// Strays: the managed addresses that are on this machine and were not claimed
	// here, whenever that changes. Those on the interface that the configuration
	// names are taken off at the same time, each at most once a minute.
	Strays func([]Stray)
}

// How often a sighting is told again.
const (
	foreignAgain   = time.Second
	elsewhereAgain = 20 * time.Millisecond
)

// Run sends the announcements of the schedule, announces again when a link comes
// up or changes its MAC, asks for the neighbours there again, and watches for foreign
// owners of what we hold; unless quiet, it answers them. It blocks until ctx is done,
// which is no error.
func (h *Host) Run(ctx context.Context, on Events) error {
	r := runner{
		host: h, on: on,
		stop:      make(chan struct{}),
		sightings: make(chan sighting, 16),
		watchers:  map[string]*watcher{},
		states:    map[string]linkState{},
		asking:    map[string]int{},
		ask:       time.NewTimer(askGap),
		reported:  map[sighting]time.Time{},
	}
	defer r.end()
	defer r.ask.Stop()
	if err := r.subscribe(); err != nil {
		return err
	}
	r.refresh()
	r.lookForStrays()
	return r.loop(ctx)
}

// refreshEvery bounds how long a broken watcher or a missed link event can last.
const refreshEvery = 2 * time.Second

// runner is the state of one Run.
type runner struct {
	host      *Host
	on        Events
	stop      chan struct{}
	links     chan netlink.LinkUpdate
	addrs     chan netlink.AddrUpdate
	strays    []Stray // as told
	sightings chan sighting
	watchers  map[string]*watcher  // by interface
	states    map[string]linkState // by interface, as last seen
	asking    map[string]int       // by interface that has come up: how often to ask for its neighbours again
	ask       *time.Timer          // when
	reported  map[sighting]time.Time
	running   sync.WaitGroup
}

// sighting is a claim of ownership seen on an interface, or a probe of an address
// by a machine that would own it.
type sighting struct {
	iface   string
	owner   Owner
	probing bool
}

func parseSighting(frame []byte) (s sighting, ok bool) {
	if s.owner, ok = parseOwner(frame); ok {
		return s, true
	}
	s.owner, s.probing = parseProbe(frame)
	return s, s.probing
}

// linkState is what of a link makes a new announcement necessary.
type linkState struct {
	index int
	up    bool
	mac   MAC
}

func (r *runner) loop(ctx context.Context) error {
	ticker := tick.Every(refreshEvery)
	defer ticker.Stop()
	announce := time.NewTimer(0)
	defer announce.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.host.wake:
			announce.Reset(0)
		case now := <-announce.C:
			if next := r.host.announceDue(now); !next.IsZero() {
				announce.Reset(time.Until(next))
			}
		case <-r.ask.C:
			if r.askAgain() {
				r.ask.Reset(askGap)
			}
		case _, ok := <-r.links:
			r.host.moved.Store(true)
			if err := r.resubscribe(ok); err != nil {
				return err
			}
			r.refresh()
		case update, ok := <-r.addrs:
			if err := r.addressChanged(update, ok); err != nil {
				return err
			}
		case <-ticker.C:
			r.refresh()
			r.lookForStrays()
		case s := <-r.sightings:
			r.judge(s)
		}
	}
}

// addressChanged looks for strays if one may have come or gone. The kernel ends a
// subscription when there were more events than its buffer held.
func (r *runner) addressChanged(update netlink.AddrUpdate, alive bool) error { //nolint:revive // the channel's own word
	if !alive || !update.NewAddr {
		r.host.moved.Store(true)
	}
	if !alive {
		r.lookForStrays()
		return r.subscribeAddrs()
	}
	if r.host.unclaimed(update) {
		r.lookForStrays()
	}
	return nil
}

func (r *runner) end() {
	close(r.stop)
	for _, w := range r.watchers {
		w.close()
	}
	if r.links != nil {
		for range r.links { // the subscription ends once nobody keeps it waiting
		}
	}
	if r.addrs != nil {
		for range r.addrs { // likewise
		}
	}
	r.running.Wait()
}

func (r *runner) subscribe() error {
	links := make(chan netlink.LinkUpdate, 16)
	if err := netlink.LinkSubscribe(links, r.stop); err != nil {
		return fmt.Errorf("watch interfaces: %w", err)
	}
	r.links = links
	if r.addrs != nil {
		return nil
	}
	return r.subscribeAddrs()
}

// subscribeAddrs begins anew whenever the kernel has ended it: see resubscribe.
func (r *runner) subscribeAddrs() error {
	addrs := make(chan netlink.AddrUpdate, 16)
	if err := netlink.AddrSubscribe(addrs, r.stop); err != nil {
		return fmt.Errorf("watch addresses: %w", err)
	}
	r.addrs = addrs
	return nil
}

// resubscribe begins anew once the kernel has ended a subscription, because
// there were more events than its buffer held.
func (r *runner) resubscribe(alive bool) error { //nolint:revive // the channel's own word
	if alive {
		return nil
	}
	r.links = nil
	return r.subscribe()
}

// refresh compares the links with what was known of them.
func (r *runner) refresh() {
	h := r.host
	found, err := h.kernel.survey(h.managed)
	if err != nil {
		h.log.Warn("interfaces not read", slog.Any("error", err))
		return
	}
	for _, ip := range h.managed {
		name := ip.Interface
		link := found.links[name]
		if link == nil {
			r.unwatch(name)
			delete(r.states, name)
			continue
		}
		mac, _ := macOf(link.Attrs().HardwareAddr)
		now := linkState{index: link.Attrs().Index, up: carrier(link), mac: mac}
		before, known := r.states[name]
		r.states[name] = now
		r.watch(link)
		if known && now.up && now != before {
			h.log.Info("link came up", slog.String("interface", name))
			h.Announce(onInterface(h.managed, name))
			r.asking[name] = askRounds
			r.ask.Reset(0)
		}
	}
	if r.on.Links != nil {
		carriers := map[string]bool{}
		for name, state := range r.states {
			carriers[name] = state.up
		}
		r.on.Links(carriers)
	}
}

func onInterface(ips []pair.SharedIP, name string) []pair.SharedIP {
	return slices.DeleteFunc(slices.Clone(ips), func(ip pair.SharedIP) bool { return ip.Interface != name })
}

// judge tells of a sighting, and answers a foreign owner of what we hold.
func (r *runner) judge(s sighting) {
	own, err := ownMACs()
	if err != nil || own[s.owner.MAC] {
		return
	}
	now := time.Now()
	switch {
	case s.probing:
		r.tell(s, elsewhereAgain, now, r.on.Probed)
	case !r.host.contested(s, now):
		r.tell(s, elsewhereAgain, now, r.on.Elsewhere)
	case r.tell(s, foreignAgain, now, r.on.Foreign):
		r.host.log.Warn("another machine claims a shared IP that is held here",
			slog.String("ip", s.owner.IP.String()), slog.String("mac", s.owner.MAC.String()))
	}
}

// tell reports a sighting unless that was done a moment ago, and whether it did.
func (r *runner) tell(s sighting, again time.Duration, now time.Time, report func(Owner)) bool {
	for told, at := range r.reported {
		if now.Sub(at) >= foreignAgain {
			delete(r.reported, told)
		}
	}
	if at, recent := r.reported[s]; recent && now.Sub(at) < again {
		return false
	}
	r.reported[s] = now
	if report != nil {
		report(s.owner)
	}
	return true
}

// contested reports whether we hold what was sighted, and then has it announced
// against the foreign owner.
func (h *Host) contested(s sighting, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for ip, c := range h.claims {
		if ip.Interface != s.iface || ip.Address.Addr() != s.owner.IP {
			continue
		}
		found, err := h.kernel.survey(h.managed)
		if err != nil || !h.stillHolds(found, ip) {
			return false
		}
		c.contest(now)
		h.reschedule()
		return true
	}
	return false
}

// watcher hears, on one interface, who says that it owns a managed address, and
// who looks for one.
type watcher struct {
	ports []*port
	dead  atomic.Bool // a port has failed
}

func (w *watcher) close() {
	for _, p := range w.ports {
		p.close()
	}
}

// watch sees to it that a link has a working watcher.
func (r *runner) watch(link netlink.Link) {
	name := link.Attrs().Name
	if w := r.watchers[name]; w != nil {
		if !w.dead.Load() && w.ports[0].index == link.Attrs().Index {
			return
		}
		r.unwatch(name)
	}
	w, err := openWatcher(link)
	if err != nil {
		r.host.log.Warn("foreign owners not watched for", slog.String("interface", name), slog.Any("error", err))
		return
	}
	r.watchers[name] = w
	for _, p := range w.ports {
		r.running.Go(func() { r.listen(w, p) })
	}
}

func (r *runner) unwatch(name string) {
	if w := r.watchers[name]; w != nil {
		w.close()
		delete(r.watchers, name)
	}
}

func openWatcher(link netlink.Link) (*watcher, error) {
	arps, err := openPort(link, unix.ETH_P_ARP, nil)
	if err != nil {
		return nil, err
	}
	neighbours, err := openPort(link, unix.ETH_P_IPV6, neighbourFilter())
	if err != nil {
		arps.close()
		return nil, err
	}
	w := &watcher{ports: []*port{arps, neighbours}}
	if err := neighbours.hearGroups(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// listen passes on what it hears about managed addresses until the port closes.
func (r *runner) listen(w *watcher, p *port) {
	buffer := make([]byte, 2048)
	for {
		n, _, err := p.conn.ReadFrom(buffer)
		if errors.Is(err, unix.ENETDOWN) {
			continue // said once; frames come again when the link does
		}
		if err != nil {
			w.dead.Store(true)
			return
		}
		if found, from, ok := parseSearch(buffer[:n]); ok && from != p.mac && r.host.manages(found.ip) {
			r.host.searches.note(found, time.Now())
		}
		seen, ok := parseSighting(buffer[:n])
		if !ok || seen.owner.MAC == p.mac || !r.host.manages(seen.owner.IP) {
			continue
		}
		seen.iface = p.name
		select {
		case r.sightings <- seen:
		case <-r.stop:
			return
		}
	}
}

func (h *Host) manages(addr netip.Addr) bool {
	return slices.ContainsFunc(h.managed, func(ip pair.SharedIP) bool { return ip.Address.Addr() == addr })
}
