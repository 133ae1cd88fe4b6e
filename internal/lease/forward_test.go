package lease

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// container connects a third machine behind the server, as a container is, and has
// the kernel forward a port of the shared IPv4 address to it.
func (s *site) container(port uint16) machine {
	s.server.t.Helper()
	c := newMachine(s.server.t)
	s.server.do(func() error {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "inside"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(c.ns)}
		if err := netlink.LinkAdd(veth); err != nil {
			return err
		}
		if err := up("inside"); err != nil {
			return err
		}
		if err := address("inside", "10.9.0.1/24"); err != nil {
			return err
		}
		return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600)
	})
	c.do(func() error {
		if err := up("eth0"); err != nil {
			return err
		}
		if err := address("eth0", "10.9.0.2/24"); err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Gw: net.IPv4(10, 9, 0, 1)})
	})
	s.server.do(func() error { return forward(sharedIP(s.server.t, shared4Text).Address.Addr(), port, "10.9.0.2") })
	return c
}

// forward sends a TCP port of an address elsewhere.
func forward(from netip.Addr, port uint16, to string) error {
	conn, err := nftables.New()
	if err != nil {
		return err
	}
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyIPv4, Name: "other"})
	chain := conn.AddChain(&nftables.Chain{
		Name: "dnat", Table: table, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityNATDest,
	})
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: concat(
		list(load(expr.PayloadBaseNetworkHeader, 16, 4), &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: from.AsSlice()}),
		meta(expr.MetaKeyL4PROTO, expr.CmpOpEq, []byte{unix.IPPROTO_TCP}),
		list(load(expr.PayloadBaseTransportHeader, 2, 2), &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: binaryutil.BigEndian.PutUint16(port)},
			&expr.Immediate{Register: 1, Data: netip.MustParseAddr(to).AsSlice()},
			&expr.NAT{Type: expr.NATTypeDestNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1}),
	)})
	return conn.Flush()
}

// serveInside echoes at port 8080 of a container to which that port is forwarded.
func (s *site) serveInside() {
	s.server.t.Helper()
	s.container(8080).do(func() error {
		tcp, err := net.Listen("tcp", "10.9.0.2:8080")
		if err != nil {
			return err
		}
		udp, err := net.ListenPacket("udp", "10.9.0.2:8080")
		if err != nil {
			return err
		}
		serve(s.server.t, tcp, udp)
		return nil
	})
}

// An appliance that does not serve any more answers nobody, also where a neighbour
// still sends it what it would forward.
func TestAnAddressThatIsAwayIsNotForwarded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serveInside()
	s.run()
	ip := sharedIP(t, shared4Text).Address.Addr()
	s.guard()
	if err := s.lease.Open(forever()); err != nil {
		t.Fatal(err)
	}
	open, err := s.dial("tcp", ip, "8080", 2*time.Second)
	if err != nil || !answers(open, 2*time.Second) {
		t.Fatalf("not forwarded while the lease is open: %v", err)
	}
	defer func() { _ = open.Close() }()
	s.pin(ip)
	s.lease.Away(both(t))
	if err := s.lease.Close(); err != nil {
		t.Fatal(err)
	}
	s.server.do(func() error { return unaddress(shared4Text) })
	s.lease.Unguard()
	time.Sleep(300 * time.Millisecond) // until the rules of one that serves are gone
	if answers(open, 300*time.Millisecond) {
		t.Error("an open connection is forwarded on")
	}
	if conn, err := s.dial("tcp", ip, "8080", 300*time.Millisecond); err == nil {
		_ = conn.Close()
		t.Error("a new connection is forwarded")
	}
	s.server.do(func() error { return address("eth0", shared4Text) })
	s.guard()
	if err := s.lease.Open(forever()); err != nil {
		t.Fatal(err)
	}
	if conn, err := s.dial("tcp", ip, "8080", 2*time.Second); err != nil {
		t.Errorf("not forwarded once it is served here again: %v", err)
	} else {
		_ = conn.Close()
	}
}

// pin has the client send to the server whatever it learns of an address.
func (s *site) pin(ip netip.Addr) {
	s.server.t.Helper()
	var mac net.HardwareAddr
	s.server.do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err == nil {
			mac = link.Attrs().HardwareAddr
		}
		return err
	})
	s.client.do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		return netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, IP: ip.AsSlice(), HardwareAddr: mac, State: netlink.NUD_PERMANENT})
	})
}

// Without the lease, a connection that the kernel forwards goes on after the address
// was taken off: the lease ends it, and new ones.
func TestForwardedConnectionsEndWithTheLease(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.serveInside()
	ip := sharedIP(t, shared4Text).Address.Addr()
	before, err := s.dial("tcp", ip, "8080", 2*time.Second)
	if err != nil || !answers(before, 2*time.Second) {
		t.Fatalf("not forwarded: %v", err)
	}
	defer func() { _ = before.Close() }()
	s.server.do(func() error { return unaddress(shared4Text) })
	if !answers(before, 2*time.Second) {
		t.Log("this kernel ends forwarded connections with the address")
	}
	s.server.do(func() error { return address("eth0", shared4Text) })
	s.guard()
	stop := s.keep(400*time.Millisecond, 50*time.Millisecond)
	open, err := s.dial("tcp", ip, "8080", 2*time.Second)
	if err != nil || !answers(open, 2*time.Second) {
		t.Fatalf("not forwarded while the lease is open: %v", err)
	}
	defer func() { _ = open.Close() }()
	last := stop()
	time.Sleep(time.Until(last.Add(420 * time.Millisecond)))
	if answers(open, 300*time.Millisecond) || answers(before, 300*time.Millisecond) {
		t.Error("the lease has run out, and a forwarded connection goes on")
	}
	if conn, err := s.dial("tcp", ip, "8080", 300*time.Millisecond); err == nil {
		_ = conn.Close()
		t.Error("the lease has run out, and a new connection is forwarded")
	}
}
