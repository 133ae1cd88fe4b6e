package sharedip

import (
	"context"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"baton/internal/pair"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Addresses of the tests. Own addresses end in the number of the station.
const (
	shared4 = "198.51.100.10/24"
	shared6 = "2001:db8::10/64"
)

func ip4(t *testing.T) pair.SharedIP { t.Helper(); return sharedIP(t, shared4) }
func ip6(t *testing.T) pair.SharedIP { t.Helper(); return sharedIP(t, shared6) }

func sharedIP(t *testing.T, address string) pair.SharedIP {
	t.Helper()
	ip, err := pair.ParseSharedIP(address, "eth0")
	if err != nil {
		t.Fatal(err)
	}
	return ip
}

// bothVersions runs a test with an IPv4 and with an IPv6 address, each on a
// switch of its own, as a test of its own.
func bothVersions(t *testing.T, test func(l *lan, ip pair.SharedIP)) {
	t.Helper()
	t.Parallel()
	for name, ip := range map[string]pair.SharedIP{"IPv4": ip4(t), "IPv6": ip6(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(newLAN(t), ip)
		})
	}
}

// space is a network namespace of a test.
type space struct {
	t  *testing.T
	ns netns.NsHandle
}

// newSpace makes a namespace that goes with the test.
func newSpace(t *testing.T) space {
	t.Helper()
	var s space
	err := onThread(func() (err error) {
		ns, err := netns.New()
		s = space{t: t, ns: ns}
		return err
	})
	if err != nil {
		t.Skipf("cannot make a network namespace (%v): run as root, or under `unshare --user --map-root-user --net --mount`", err)
	}
	t.Cleanup(func() { _ = s.ns.Close() })
	s.do(func() error {
		lo, err := netlink.LinkByName("lo")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(lo)
	})
	return s
}

// onThread runs f on a thread of its own, which ends with it: the thread may
// change its namespace.
func onThread(f func() error) (err error) {
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err = f()
	})
	done.Wait()
	return err
}

// do runs f inside the namespace.
func (s space) do(f func() error) {
	s.t.Helper()
	err := onThread(func() error {
		if err := netns.Set(s.ns); err != nil {
			return err
		}
		return f()
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// lan is a switch in a namespace of its own.
type lan struct {
	space
	bridge *netlink.Bridge
	count  int
}

func newLAN(t *testing.T) *lan {
	t.Helper()
	l := &lan{space: newSpace(t)}
	l.do(func() error {
		l.bridge = &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "switch"}}
		if err := netlink.LinkAdd(l.bridge); err != nil {
			return err
		}
		return netlink.LinkSetUp(l.bridge)
	})
	return l
}

// station is a machine at the switch: eth0, with own addresses.
type station struct {
	space
	lan    *lan
	number byte
	mac    MAC
	own4   netip.Addr
	own6   netip.Addr
}

// station plugs a new machine in. The first is .1, the second .2, and so on.
func (l *lan) station() *station {
	l.t.Helper()
	l.count++
	n := byte(l.count)
	s := &station{
		space: newSpace(l.t), lan: l, number: n,
		mac:  MAC{2, 0, 0x5e, 0x10, 0, n},
		own4: netip.AddrFrom4([4]byte{198, 51, 100, n}),
		own6: netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 15: n}),
	}
	l.connect(s)
	s.t = l.t
	return s
}

// connect gives the station an interface and a cable to the switch.
func (l *lan) connect(s *station) {
	l.t.Helper()
	l.do(func() error {
		veth := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: s.cable(), MasterIndex: l.bridge.Index},
			PeerName:  "eth0", PeerNamespace: netlink.NsFd(s.ns), PeerHardwareAddr: s.mac[:],
		}
		if err := netlink.LinkAdd(veth); err != nil {
			return err
		}
		return netlink.LinkSetUp(veth)
	})
	s.do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
		l.forwarding(s)
		if err := s.address(netip.PrefixFrom(s.own4, 24)); err != nil {
			return err
		}
		if err = s.address(netip.PrefixFrom(s.own6, 64)); err != nil {
			return err
		}
		kernel := newKernel()
		defer kernel.close()
		for range 20 { // a busy machine takes its time
			if err = kernel.awaitUsable(s.own6); err == nil {
				break
			}
		}
		return err
	})
}

// forwarding waits until the switch and the station pass frames: they do so
// shortly after the carrier is there.
func (l *lan) forwarding(s *station) {
	l.t.Helper()
	eventually(l.t, 5*time.Second, "the switch forwards", func() (up bool) {
		l.do(func() error {
			link, err := netlink.LinkByName(s.cable())
			up = err == nil && link.Attrs().OperState == netlink.OperUp
			return err
		})
		s.do(func() error {
			link, err := netlink.LinkByName("eth0")
			up = up && err == nil && link.Attrs().OperState == netlink.OperUp
			return err
		})
		return up
	})
}

// replug takes the station's interface away and gives it a new one.
func (l *lan) replug(s *station) {
	l.t.Helper()
	l.do(func() error {
		link, err := netlink.LinkByName(s.cable())
		if err != nil {
			return err
		}
		return netlink.LinkDel(link)
	})
	l.connect(s)
}

func (s *station) cable() string { return "port" + string('0'+rune(s.number)) }

// address adds an address to eth0; call it inside do.
func (s *station) address(prefix netip.Prefix) error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: ipNet(prefix)}
	if prefix.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	return netlink.AddrAdd(link, addr)
}

// plug puts the cable in or pulls it.
func (s *station) plug(in bool) {
	s.t.Helper()
	s.lan.do(func() error {
		link, err := netlink.LinkByName(s.cable())
		if err != nil {
			return err
		}
		if in {
			return netlink.LinkSetUp(link)
		}
		return netlink.LinkSetDown(link)
	})
}

// host returns a Host of this machine. Use it inside do.
func (s *station) host(managed ...pair.SharedIP) *Host {
	s.t.Helper()
	h := New(managed, slog.New(slog.DiscardHandler))
	s.t.Cleanup(h.Close)
	return h
}

// owner plugs a new machine in that has claimed ip.
func (l *lan) owner(ip pair.SharedIP) (*station, *Host) {
	l.t.Helper()
	s := l.station()
	h := s.host(ip)
	s.set(h, 0, ip)
	return s, h
}

// set sets the wanted addresses, failing the test on an error.
func (s *station) set(h *Host, lease time.Duration, wanted ...pair.SharedIP) {
	s.t.Helper()
	s.do(func() error { return h.Set(s.t.Context(), wanted, lease) })
}

// run runs the host until the test ends.
func (s *station) run(h *Host, on Events) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		s.do(func() error { return h.Run(ctx, on) })
	})
	s.t.Cleanup(func() { cancel(); running.Wait() })
}

// addresses lists what the kernel has on eth0, without link-local addresses.
func (s *station) addresses() (list []netip.Prefix) {
	s.t.Helper()
	s.do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		addrs, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		for _, addr := range addrs {
			if prefix := prefixOf(addr); !prefix.Addr().IsLinkLocalUnicast() {
				list = append(list, prefix)
			}
		}
		return err
	})
	return list
}

// neighbour returns the MAC that this machine's cache has for ip.
func (s *station) neighbour(ip netip.Addr) (mac MAC) {
	s.t.Helper()
	s.do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		entries, err := netlink.NeighList(link.Attrs().Index, netlink.FAMILY_ALL)
		for _, entry := range entries {
			if known, _ := netip.AddrFromSlice(entry.IP); known.Unmap() == ip {
				mac, _ = macOf(entry.HardwareAddr)
			}
		}
		return err
	})
	return mac
}

// teachNeighbour writes an entry into the cache, as if learned.
func (s *station) teachNeighbour(ip netip.Addr, mac MAC) {
	s.t.Helper()
	s.do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, IP: ip.AsSlice(), HardwareAddr: mac[:], State: netlink.NUD_REACHABLE,
		})
	})
}

// hear opens a socket on eth0 for frames that say who owns addresses like this one.
func (s *station) hear(like netip.Addr) *port {
	s.t.Helper()
	var p *port
	s.do(func() (err error) {
		p, err = openHearing("eth0", like)
		return err
	})
	s.t.Cleanup(p.close)
	return p
}

// heard collects the owners said on a port until the deadline or until enough.
func heard(t *testing.T, p *port, ip netip.Addr, wait time.Duration, enough int) (macs []MAC) {
	t.Helper()
	_, err := p.collect(t.Context(), time.Now().Add(wait), make([]byte, 2048), func(frame []byte) bool {
		if owner, ok := parseOwner(frame); ok && owner.IP == ip {
			macs = append(macs, owner.MAC)
		}
		return len(macs) >= enough
	})
	if err != nil {
		t.Fatal(err)
	}
	return macs
}

// eventually polls a condition every few milliseconds and returns how long it took.
func eventually(t *testing.T, within time.Duration, what string, condition func() bool) time.Duration {
	t.Helper()
	begun := time.Now()
	for !condition() {
		if time.Since(begun) > within {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(begun)
}
