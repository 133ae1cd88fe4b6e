package lease

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// A held lease keeps everybody's traffic out but that of Baton's own ports, and
// neighbours go on to find the address: a roll-back is an element put back.
func TestAHeldLeasePassesOnlyOwnPorts(t *testing.T) {
	t.Parallel()
	s := newSite(t, 443)
	s.echo("80")
	s.echo("443")
	s.guard()
	if err := s.lease.Open(forever()); err != nil {
		t.Fatal(err)
	}
	open := map[string][]net.Conn{}
	for _, ip := range both(t) {
		for _, port := range []string{"80", "443"} {
			conn, err := s.dial("tcp", ip.Address.Addr(), port, 2*time.Second)
			if err != nil || !answers(conn, 2*time.Second) {
				t.Fatalf("open, %s:%s does not answer: %v", ip, port, err)
			}
			defer func() { _ = conn.Close() }()
			open[port] = append(open[port], conn)
		}
	}
	if err := s.lease.Hold(forever()); err != nil {
		t.Fatal(err)
	}
	for _, conn := range open["80"] {
		if answers(conn, 200*time.Millisecond) {
			t.Errorf("held, another's open connection goes on: %s", conn.RemoteAddr())
		}
	}
	if err := s.lease.RenewHeld(forever()); err != nil {
		t.Fatal(err)
	}
	for _, conn := range open["443"] {
		if !answers(conn, 2*time.Second) {
			t.Errorf("held, an open connection of an own port does not go on: %s", conn.RemoteAddr())
		}
	}
	s.forget()
	for _, ip := range both(t) {
		conn, err := s.dial("tcp", ip.Address.Addr(), "443", 2*time.Second)
		if err != nil {
			t.Errorf("held, a new connection to an own port of %s: %v", ip, err)
			continue
		}
		_ = conn.Close()
	}
	if err := s.lease.Open(forever()); err != nil {
		t.Fatal(err)
	}
	for _, conn := range open["80"] {
		if !answers(conn, 2*time.Second) {
			t.Errorf("rolled back, an open connection does not go on: %s", conn.RemoteAddr())
		}
	}
	if err := s.lease.Close(); err != nil {
		t.Fatal(err)
	}
	for _, conn := range open["443"] {
		if answers(conn, 200*time.Millisecond) {
			t.Errorf("closed, an open connection of an own port goes on: %s", conn.RemoteAddr())
		}
	}
}

// forget empties the client's neighbour cache.
func (s *site) forget() {
	s.client.t.Helper()
	s.client.do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		entries, err := netlink.NeighList(link.Attrs().Index, netlink.FAMILY_ALL)
		for _, entry := range entries {
			_ = netlink.NeighDel(&entry)
		}
		return err
	})
}

// knows reports whether the client finds the address on the link, asking anew.
func (s *site) knows(ip netip.Addr, wait time.Duration) (found bool) {
	s.client.t.Helper()
	s.forget()
	s.client.do(func() error {
		conn, err := net.Dial("udp", net.JoinHostPort(ip.String(), "9"))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		_, _ = conn.Write([]byte("who?"))
		for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
			link, err := netlink.LinkByName("eth0")
			if err != nil {
				return err
			}
			entries, err := netlink.NeighList(link.Attrs().Index, netlink.FAMILY_ALL)
			if err != nil {
				return err
			}
			for _, entry := range entries {
				if at, _ := netip.AddrFromSlice(entry.IP); at.Unmap() == ip && len(entry.HardwareAddr) > 0 {
					found = true
					return nil
				}
			}
		}
		return nil
	})
	return found
}

// A closed address is nobody's to its neighbours; the machine's own answers as ever.
func TestAClosedAddressIsSilentOnTheLink(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.guard()
	own := map[bool]string{true: server4, false: server6}
	for _, ip := range both(t) {
		addr := ip.Address.Addr()
		if s.knows(addr, 300*time.Millisecond) {
			t.Errorf("closed, neighbours find %s", ip)
		}
		if mine := netip.MustParsePrefix(own[addr.Is4()]).Addr(); !s.knows(mine, 3*time.Second) {
			t.Errorf("neighbours do not find %s, the machine's own", mine)
		}
		if err := s.lease.Open(forever()); err != nil {
			t.Fatal(err)
		}
		if !s.knows(addr, 3*time.Second) {
			t.Errorf("open, neighbours do not find %s", ip)
		}
		if err := s.lease.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// That a port is Baton's proves nothing where the kernel sends it elsewhere: who answers
// then is another's program, and nobody is to be told that his write is done.
func TestAHeldLeaseKeepsForwardedOwnPortsOut(t *testing.T) {
	t.Parallel()
	own := netip.MustParsePrefix(server4).Addr().String()
	for name, to := range map[string]string{"to a container": "10.9.0.2", "to a server here": own} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, 443)
			at := s.server
			if to != own {
				at = s.container(443)
			} else {
				s.server.do(func() error { return forward(sharedIP(t, shared4Text).Address.Addr(), 443, own) })
			}
			at.do(func() error {
				tcp, err := net.Listen("tcp", net.JoinHostPort(to, "443"))
				if err != nil {
					return err
				}
				udp, err := net.ListenPacket("udp", net.JoinHostPort(to, "443"))
				if err != nil {
					return err
				}
				serve(t, tcp, udp)
				return nil
			})
			s.guard()
			if err := s.lease.Open(forever()); err != nil {
				t.Fatal(err)
			}
			ip := sharedIP(t, shared4Text).Address.Addr()
			open, err := s.dial("tcp", ip, "443", 2*time.Second)
			if err != nil || !answers(open, 2*time.Second) {
				t.Fatalf("not forwarded while the lease is open: %v", err)
			}
			defer func() { _ = open.Close() }()
			if err := s.lease.Hold(forever()); err != nil {
				t.Fatal(err)
			}
			if answers(open, 300*time.Millisecond) {
				t.Error("held, a forwarded connection of an own port is answered")
			}
			if conn, err := s.dial("tcp", ip, "443", 300*time.Millisecond); err == nil {
				_ = conn.Close()
				t.Error("held, a new forwarded connection of an own port comes about")
			}
			if err := s.lease.Open(forever()); err != nil {
				t.Fatal(err)
			}
			if _ = open.SetDeadline(time.Time{}); !answers(open, 3*time.Second) {
				t.Error("rolled back, it does not go on")
			}
		})
	}
}
