package sharedip

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"baton/internal/pair"

	"github.com/vishvananda/netlink"
)

// ownLike returns a station's own address of the same family.
func (s *station) ownLike(ip pair.SharedIP) netip.Addr {
	if ip.Address.Addr().Is4() {
		return s.own4
	}
	return s.own6
}

// talk sends a datagram, so that the machine learns who has ip.
func (s *station) talk(ip netip.Addr) {
	s.t.Helper()
	s.do(func() error {
		conn, err := net.Dial("udp", netip.AddrPortFrom(ip, 9).String())
		if err != nil {
			return err
		}
		_, err = conn.Write([]byte("hello"))
		return errors.Join(err, conn.Close())
	})
}

func TestClientCacheFlipsWhenAnotherMachineClaims(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		a, b, client := l.station(), l.station(), l.station()
		ha, hb := a.host(ip), b.host(ip)
		a.set(ha, 0, ip)
		client.talk(ip.Address.Addr())
		knows := func(s *station) func() bool {
			return func() bool { return client.neighbour(ip.Address.Addr()) == s.mac }
		}
		eventually(t, 2*time.Second, "the client learns the first owner", knows(a))
		a.set(ha, 0)
		b.set(hb, 0, ip)
		took := eventually(t, time.Second, "the client's cache flips", knows(b))
		t.Logf("flipped %s after the claim", took)
	})
}

func TestTaughtTargetAndGatewayLearnWithoutEverAsking(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		a, gateway, target := l.station(), l.station(), l.station()
		a.do(func() error {
			return netlink.RouteAdd(&netlink.Route{Gw: gateway.ownLike(ip).AsSlice()})
		})
		h := a.host(ip)
		h.AnnounceTo([]netip.Addr{target.own4, target.own6, netip.MustParseAddr("203.0.113.7")})
		a.set(h, 0, ip)
		for _, s := range []*station{gateway, target} {
			eventually(t, time.Second, "a machine that never asked knows the owner",
				func() bool { return s.neighbour(ip.Address.Addr()) == a.mac })
		}
	})
}

func (s *station) probe(h *Host, wait time.Duration, ips ...pair.SharedIP) (owners []Owner, took time.Duration, err error) {
	s.t.Helper()
	s.do(func() error {
		begun := time.Now()
		owners, err = h.Probe(s.t.Context(), ips, wait)
		took = time.Since(begun)
		return nil
	})
	return owners, took, err
}

func TestProbeSeesAForeignOwnerAtOnce(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	a, b := l.station(), l.station()
	ha, hb := a.host(ip4(t), ip6(t)), b.host(ip4(t), ip6(t))
	a.set(ha, 0, ip4(t), ip6(t))
	owners, took, err := b.probe(hb, 5*time.Second, ip4(t), ip6(t))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(owners, func(x, y Owner) int { return x.IP.Compare(y.IP) })
	want := []Owner{{ip4(t).Address.Addr(), a.mac}, {ip6(t).Address.Addr(), a.mac}}
	if !slices.Equal(owners, want) {
		t.Errorf("owners %v, want %v", owners, want)
	}
	if took > 4*time.Second {
		t.Errorf("took %s: everybody had answered long before", took)
	}
	t.Logf("two owners found in %s", took)
	if got := a.neighbour(b.own4); got != (MAC{}) {
		t.Errorf("the probe taught the owner %s", got)
	}
}

func TestProbeWaitsWhileAnyAddressIsSilent(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		a, b := l.station(), l.station()
		second := sharedIP(t, "198.51.100.11/24")
		ha, hb := a.host(ip), b.host(ip, second)
		a.set(ha, 0, ip)
		const wait = 100 * time.Millisecond
		owners, took, err := b.probe(hb, wait, ip, second)
		if err != nil || len(owners) != 1 {
			t.Errorf("owners %v, error %v, want the one of %s", owners, err, ip)
		}
		if took < wait || took > 10*wait {
			t.Errorf("took %s, want %s", took, wait)
		}
	})
}

// A prober that gets no processor for longer than it waits finds the owner's
// answer in its socket all the same.
func TestAnswerThatIsReadLateCounts(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		a, b := l.station(), l.station()
		ha := a.host(ip)
		a.set(ha, 0, ip)
		const wait = 30 * time.Millisecond
		for range 20 {
			b.do(func() error {
				probes, err := openProbes([]pair.SharedIP{ip}, map[MAC]bool{b.mac: true})
				if err != nil {
					return err
				}
				p := probes[0]
				defer p.port.close()
				if err := p.send(); err != nil {
					return err
				}
				time.Sleep(wait + 10*time.Millisecond)
				_, err = p.port.collect(t.Context(), time.Now().Add(-10*time.Millisecond), make([]byte, 2048), p.take)
				if len(p.owners) != 1 {
					t.Errorf("owners %v, want the one of %s", p.owners, ip)
				}
				return err
			})
		}
	})
}

func TestOwnAddressNeverCountsAsForeign(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		a := l.station()
		a.secondPort()
		h := a.host(ip)
		a.set(h, 0, ip)
		owners, _, err := a.probe(h, 60*time.Millisecond, ip)
		if err != nil || len(owners) != 0 {
			t.Errorf("owners %v, error %v", owners, err)
		}
	})
}

// secondPort plugs another interface of the machine into the same switch: it
// answers for the machine's addresses, too.
func (s *station) secondPort() {
	s.t.Helper()
	s.lan.do(func() error {
		veth := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: "second", MasterIndex: s.lan.bridge.Index},
			PeerName:  "eth1", PeerNamespace: netlink.NsFd(s.ns),
		}
		return errors.Join(netlink.LinkAdd(veth), netlink.LinkSetUp(veth))
	})
	s.do(func() error {
		link, err := netlink.LinkByName("eth1")
		if err != nil {
			return err
		}
		return netlink.LinkSetUp(link)
	})
}

func TestProbeWithoutCarrierIsAnErrorNotSilence(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		a := l.station()
		h := a.host(ip)
		a.plug(false)
		if owners, took, err := a.probe(h, 10*time.Second, ip); !errors.Is(err, ErrNoCarrier) || took > 5*time.Second {
			t.Errorf("cable out: owners %v, error %v after %s", owners, err, took)
		}
		a.plug(true)
		l.forwarding(a)
		var pulling sync.WaitGroup
		pulling.Go(func() { time.Sleep(20 * time.Millisecond); a.plug(false) })
		if owners, _, err := a.probe(h, 5*time.Second, ip); !errors.Is(err, ErrNoCarrier) {
			t.Errorf("cable pulled during the probe: owners %v, error %v", owners, err)
		}
		pulling.Wait()
	})
}

// answers says at which of its addresses a machine was answered.
type answers struct{ own, shared bool }

// lost runs one lost-address check.
func (s *station) lost(h *Host, ip pair.SharedIP, target netip.Addr) (got answers, err error) {
	s.t.Helper()
	s.do(func() error {
		got.own, got.shared, err = h.Lost(s.t.Context(), ip, target, 200*time.Millisecond)
		return nil
	})
	return got, err
}

// wantLost fails the test if a lost-address check finds anything else.
func (s *station) wantLost(h *Host, ip pair.SharedIP, target *station, want answers) {
	s.t.Helper()
	if got, err := s.lost(h, ip, target.ownLike(ip)); got != want || err != nil {
		s.t.Errorf("answered %+v, want %+v, error %v", got, want, err)
	}
}

func TestLostCheckAnswersForTheOwner(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		gateway := l.station()
		a, h := l.owner(ip)
		a.wantLost(h, ip, gateway, answers{own: true, shared: true})
	})
}

func TestLostCheckSeesThatTheGatewayBelievesAnotherMachine(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		gateway := l.station()
		a, h := l.owner(ip)
		b, _ := l.owner(ip) // has taken over; a still has the address
		gateway.teachNeighbour(ip.Address.Addr(), b.mac)
		for range 2 {
			a.wantLost(h, ip, gateway, answers{own: true})
			if got := gateway.neighbour(ip.Address.Addr()); got != b.mac {
				t.Errorf("the check taught the gateway %s instead of %s", got, b.mac)
			}
		}
	})
}

func TestLostCheckIsNotFooledByFloodedReplies(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		gateway := l.station()
		a, h := l.owner(ip)
		gateway.teachNeighbour(ip.Address.Addr(), MAC{2, 0, 0, 0, 0, 0x99}) // nobody's: the switch floods
		a.wantLost(h, ip, gateway, answers{own: true})
	})
}

func TestLostCheckOfADeadTargetAnswersNeither(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		gateway := l.station()
		a, h := l.owner(ip)
		gateway.plug(false)
		a.wantLost(h, ip, gateway, answers{})
	})
}

func TestLostCheckNeedsATargetOnTheLink(t *testing.T) {
	t.Parallel()
	a := newLAN(t).station()
	h := a.host(ip4(t))
	for _, target := range []string{"203.0.113.1", "2001:db8::2", "198.51.100.1"} {
		if _, err := a.lost(h, ip4(t), netip.MustParseAddr(target)); !errors.Is(err, ErrNotOnLink) {
			t.Errorf("%s: error %v, want ErrNotOnLink", target, err)
		}
	}
}
