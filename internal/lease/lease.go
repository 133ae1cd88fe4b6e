package lease

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"baton/internal/pair"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrEnded says that the entitlement is too short for any lease: nothing was
// opened or renewed.
var ErrEnded = errors.New("the entitlement has run out")

// ErrLeft says that tables which an earlier run left stop the traffic of shared IPs,
// and can neither be taken over nor taken away.
var ErrLeft = errors.New("rules that an earlier run of the daemon left stop the traffic of the shared IP, and cannot be taken away")

// Term says for how long traffic may pass: not longer than Longest after the
// renewal, and never after Until, an instant of CLOCK_BOOTTIME that the caller is
// entitled to serve to.
type Term struct {
	Longest time.Duration
	Until   time.Duration
}

// Lease is the traffic lease of this machine's shared IPs. Its methods may be used
// from several goroutines. Without Install it does nothing and guards nothing.
type Lease struct {
	devices []string // interfaces of the shared IPs
	own     []uint16 // ports that go on while traffic is held
	log     *slog.Logger
	now     func() time.Duration // CLOCK_BOOTTIME; another in tests

	mu         sync.Mutex // held while the tables change
	conn       *netlink.Conn
	watch      *watcher
	flags      uint32        // of our tables
	ownership  []uint32      // flags to make them with, the first that the kernel knows
	guarded    []netip.Addr  // named in the tables
	away       []netip.Addr  // likewise
	kick       chan struct{} // has Run look at the tables
	print      uint64        // how the tables look when nobody else has touched them
	indices    map[string]int
	generation uint32 // of the ruleset when they were last found to look so; 0: never

	packets   atomic.Pointer[sender]
	force     atomic.Bool                  // tables are in place and guard ARP as well
	named     atomic.Pointer[[]netip.Addr] // to be guarded, as wanted newest
	silent    atomic.Pointer[[]netip.Addr] // besides, and never opened
	elsewhere atomic.Pointer[[]netip.Addr] // another machine's, as far as they are not guarded
	passing   atomic.Bool                  // opened or held, and not closed since
	lapses    atomic.Int64
	lapsed    atomic.Int64 // when a lease last ran out while entitled, CLOCK_BOOTTIME in nanoseconds; 0: never
	mended    atomic.Int64 // when the tables were last put back; likewise
}

// New returns the lease of these shared IPs, on whose interfaces ARP is guarded as
// well. Own are the TCP ports that Baton itself answers at: they alone go on while
// traffic is held.
func New(managed []pair.SharedIP, own []uint16, log *slog.Logger) *Lease {
	l := &Lease{own: slices.Compact(slices.Sorted(slices.Values(own))), log: log, now: bootTime, indices: map[string]int{}, ownership: []uint32{tableOwner | tablePersist, 0}}
	for _, ip := range managed {
		if !slices.Contains(l.devices, ip.Interface) {
			l.devices = append(l.devices, ip.Interface)
		}
	}
	l.named.Store(new([]netip.Addr))
	l.silent.Store(new([]netip.Addr))
	l.elsewhere.Store(new([]netip.Addr))
	l.kick = make(chan struct{}, 1)
	return l
}

// Passing are addresses that are on this machine, and whose traffic passes, until an instant of
// CLOCK_BOOTTIME: an earlier run left them so. The zero value is none.
type Passing struct {
	IPs   []pair.SharedIP
	Until time.Duration
}

// Install puts the tables into the kernel, in place of what an earlier run left, and without
// a moment in which what passes would not. The error tells why this machine can have no
// traffic lease.
func (l *Lease) Install(already Passing) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.guarded = addressesOf(already.IPs)
	l.named.Store(new(slices.Clone(l.guarded)))
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return fmt.Errorf("traffic lease: %w", err)
	}
	packets, err := newSender()
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	l.conn = conn
	if err = l.install(already.Until); err == nil {
		err = l.tryOut(packets)
	}
	if err == nil {
		err = l.listen()
	}
	if err != nil {
		packets.close()
		err = errors.Join(fmt.Errorf("traffic lease: %w", err), l.hangUp())
		if len(l.devices) > 0 && left() {
			err = errors.Join(err, ErrLeft)
		}
		return err
	}
	l.packets.Store(packets)
	l.force.Store(true)
	return nil
}

// tryOut opens, renews and closes a lease of the loopback address, which no rule
// concerns: where another program's rules stop our packets on the loopback interface,
// a site would be closed for ever. The mutex is held.
func (l *Lease) tryOut(packets *sender) error {
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	b := &batch{}
	fill(b, append(slices.Clone(l.guarded), loopback), nil)
	if err := b.commit(l.conn); err != nil {
		return err
	}
	for _, m := range []uint32{mark(begin, 0), mark(renewOpen, 0), mark(finish, 0)} {
		if err := packets.send(loopback, m); err != nil {
			return fmt.Errorf("packets of Baton's own do not pass on the loopback interface (%w): set the interface up, and let UDP to port %d pass there in other programs' rules", err, discard)
		}
	}
	b = &batch{}
	fill(b, l.guarded, l.away)
	if err := b.commit(l.conn); err != nil {
		return err
	}
	return l.remember()
}

// install makes the tables anew; the traffic of what is guarded passes until an instant. The
// mutex is held.
func (l *Lease) install(until time.Duration) error {
	present := l.interfaces()
	var err error
	for _, flags := range l.ownership {
		for _, left := range []uint32{tableOwner | tablePersist, 0} { // by an earlier run
			b := &batch{}
			installPackets(b, left, flags, l.own)
			installFrames(b, left, flags, present)
			fill(b, l.guarded, l.away)
			if left := until - l.now(); left > 0 {
				letPass(b, l.guarded, left)
			}
			if err = b.commit(l.conn); err == nil {
				l.flags = flags
				return l.remember()
			}
		}
	}
	return fmt.Errorf("%w: it needs nftables in the kernel, Linux 5.16 or newer, and CAP_NET_ADMIN", err)
}

// interfaces lists the interfaces that exist now, and notes which they are.
func (l *Lease) interfaces() (names []string) {
	clear(l.indices)
	for _, name := range l.devices {
		if device, err := net.InterfaceByName(name); err == nil {
			names = append(names, name)
			l.indices[name] = device.Index
		}
	}
	return names
}

// InForce reports whether the kernel closes the site by itself here.
func (l *Lease) InForce() bool { return l.force.Load() }

// Guard names the addresses whose traffic passes only while the lease is open, and
// no others, before it returns: call it before an address goes on. If it fails,
// they are guarded once Run has put the tables back.
func (l *Lease) Guard(ips []pair.SharedIP) error {
	wanted := addressesOf(ips)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return nil
	}
	l.named.Store(&wanted)
	if err := l.name(); err != nil {
		l.force.Store(false)
		return fmt.Errorf("guard the shared IPs: %w", err)
	}
	l.force.Store(true)
	return nil
}

// Unguard names no address any more, soon: call it once all are off. It waits for
// nothing; Run does it.
func (l *Lease) Unguard() {
	l.passing.Store(false)
	l.named.Store(new([]netip.Addr))
	l.rouse()
}

// Silence names addresses that are on this machine although nobody may serve them
// here: from soon on they are closed as well, until Silence is called without them.
func (l *Lease) Silence(ips []pair.SharedIP) {
	l.silent.Store(new(addressesOf(ips)))
	l.rouse()
}

// Away names addresses that are another machine's: what a neighbour still sends
// here for them ends here, soon, also where the kernel would forward it. One that is
// guarded is not away.
func (l *Lease) Away(ips []pair.SharedIP) {
	l.elsewhere.Store(new(addressesOf(ips)))
	l.rouse()
}

// addressesOf lists addresses in order, each once.
func addressesOf(ips []pair.SharedIP) []netip.Addr {
	list := make([]netip.Addr, len(ips))
	for i, ip := range ips {
		list[i] = ip.Address.Addr()
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}

// wanted lists the addresses that the tables are to name.
func (l *Lease) wanted() []netip.Addr {
	all := slices.Concat(*l.named.Load(), *l.silent.Load())
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// gone lists the addresses that the tables are to name as another machine's.
func (l *Lease) gone() []netip.Addr {
	wanted := l.wanted()
	return slices.DeleteFunc(slices.Clone(*l.elsewhere.Load()), func(addr netip.Addr) bool { return slices.Contains(wanted, addr) })
}

// rouse has Run look at the tables.
func (l *Lease) rouse() {
	select {
	case l.kick <- struct{}{}:
	default: // it will
	}
}

// name brings the guarded addresses of the tables in line with those wanted. The
// mutex is held.
func (l *Lease) name() error {
	wanted, gone := l.wanted(), l.gone()
	if slices.Equal(wanted, l.guarded) && slices.Equal(gone, l.away) {
		return nil
	}
	l.guarded, l.away = wanted, gone
	b := &batch{}
	fill(b, wanted, gone)
	if err := b.commit(l.conn); err != nil {
		return l.install(0) // somebody has taken a table away
	}
	return l.remember()
}

// Open lets traffic pass, from the packet path: every address that is guarded must
// be on this machine.
func (l *Lease) Open(term Term) error { return l.ask(begin, term) }

// Hold stops all traffic but that of Baton's own ports, both ways. ARP and
// neighbour solicitations are still answered.
func (l *Lease) Hold(term Term) error { return l.ask(hold, term) }

// Renew extends an open lease. One that has run out although the caller is entitled,
// since this process got no processor or another program emptied a set, is begun anew
// and counted.
func (l *Lease) Renew(term Term) error { return l.goOn(term, renewOpen, begin) }

// RenewHeld extends a lease that is held, in the same way.
func (l *Lease) RenewHeld(term Term) error { return l.goOn(term, renewHeld, hold) }

func (l *Lease) goOn(term Term, keep, again act) error {
	passing := l.passing.Load()
	err := l.ask(keep, term)
	if !errors.Is(err, errLapsed) {
		return err
	}
	if err := l.ask(again, term); err != nil {
		return err
	}
	if passing {
		l.lapses.Add(1)
		l.lapsed.Store(int64(l.now()))
	}
	return nil
}

// Close stops all traffic at once.
func (l *Lease) Close() error {
	l.passing.Store(false)
	packets := l.packets.Load()
	if packets == nil {
		return nil
	}
	var failed []error
	for _, addr := range *l.named.Load() {
		// Off the machine already: then the rules refuse, and nothing passes.
		if err := packets.send(addr, mark(finish, 0)); !errors.Is(err, errLapsed) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// ask sends a request for every guarded address. One that comes late, since this
// process stood still between looking at the clock and sending, would last too
// long: it is shortened, or taken back.
func (l *Lease) ask(a act, term Term) error {
	packets, addrs := l.packets.Load(), *l.named.Load()
	if packets == nil || len(addrs) == 0 {
		return nil
	}
	late := false
	for range 3 {
		at, ok := step(term, l.now())
		if !ok {
			break
		}
		var failed error
		for _, addr := range addrs {
			failed = errors.Join(failed, packets.send(addr, mark(a, at)))
		}
		if l.now()+ladder()[at] <= term.Until {
			l.passing.Store(failed == nil)
			return failed
		}
		late = true
	}
	if late {
		return errors.Join(ErrEnded, l.Close())
	}
	return ErrEnded
}

// Lapses says how often a lease ran out while the caller was entitled, and when it
// last did, on CLOCK_BOOTTIME; 0: never.
func (l *Lease) Lapses() (count int64, last time.Duration) {
	return l.lapses.Load(), time.Duration(l.lapsed.Load())
}

// Mended says when the tables were last put back after somebody else had changed
// them, on CLOCK_BOOTTIME; 0: never.
func (l *Lease) Mended() time.Duration { return time.Duration(l.mended.Load()) }

// Remove takes the tables away and gives the sockets back. The addresses must be
// off: without the tables nothing is guarded.
func (l *Lease) Remove() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return nil
	}
	l.force.Store(false)
	if packets := l.packets.Swap(nil); packets != nil {
		packets.close()
	}
	b := &batch{}
	for _, t := range []tableID{packets(), frames()} {
		b.table(t, l.flags)
		b.remove(t)
	}
	return errors.Join(b.commit(l.conn), l.hangUp())
}

// Leave gives the sockets back and leaves the tables: what they guard is still on
// this machine, and stays silent.
func (l *Lease) Leave() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.force.Store(false)
	if packets := l.packets.Swap(nil); packets != nil {
		packets.close()
	}
	return l.hangUp()
}

// hangUp closes the netlink sockets. The mutex is held.
func (l *Lease) hangUp() error {
	var failed []error
	if l.watch != nil {
		failed = append(failed, l.watch.close())
	}
	if l.conn != nil {
		failed = append(failed, l.conn.Close())
	}
	l.watch, l.conn = nil, nil
	return errors.Join(failed...)
}

// left takes away what an earlier run left, where no lease can be had: it would stop
// all traffic for ever. It reports whether something stays all the same.
func left() bool {
	if Clean() != nil {
		return true
	}
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return false // without nftables there are no tables
	}
	defer func() { _ = conn.Close() }()
	for _, t := range []tableID{packets(), frames()} {
		if b := (&batch{}); b.exists(t, conn) {
			return true
		}
	}
	return false
}

// Clean takes away the tables that a run which has ended left. A daemon that runs
// keeps its own: they are its socket's.
func Clean() error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return fmt.Errorf("traffic lease: %w", err)
	}
	var failed []error
	for _, t := range []tableID{packets(), frames()} {
		b := &batch{}
		b.remove(t)
		if err := b.commit(conn); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EPERM) {
			failed = append(failed, err)
		}
	}
	return errors.Join(append(failed, conn.Close())...)
}
