package sharedip

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"baton/internal/pair"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// An answer that could not leave any more is not sent once the address is back: its
// connection was ended when another machine took the site over.
func TestEndedConnectionsAnswerNothingLater(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		server, client := l.station(), l.station()
		h := server.host(ip)
		server.set(h, 0, ip)
		var listener net.Listener
		server.do(func() (err error) {
			listener, err = net.Listen("tcp", ":8080")
			return err
		})
		defer func() { _ = listener.Close() }()
		var here net.Conn
		client.do(func() (err error) {
			here, err = net.DialTimeout("tcp", net.JoinHostPort(ip.Address.Addr().String(), "8080"), 3*time.Second)
			return err
		})
		defer func() { _ = here.Close() }()
		there, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = there.Close() }()
		own := client.own4
		if ip.Address.Addr().Is6() {
			own = client.own6
		}
		nowhere := &netlink.Route{Dst: ipNet(netip.PrefixFrom(own, own.BitLen())), Type: unix.RTN_BLACKHOLE}
		server.do(func() error { return netlink.RouteAdd(nowhere) })
		_, _ = there.Write([]byte("done"))
		server.set(h, 0)
		server.do(func() error { return h.EndConnections(ip) })
		server.do(func() error { return netlink.RouteDel(nowhere) })
		_ = there.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := there.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNABORTED) {
			t.Errorf("the server's connection goes on: %v", err)
		}
		server.set(h, 0, ip)
		_ = here.SetReadDeadline(time.Now().Add(3 * time.Second))
		if n, err := here.Read(make([]byte, 16)); n > 0 {
			t.Errorf("the answer arrived once the address was back (%v)", err)
		}
		var again net.Conn
		client.do(func() (err error) {
			again, err = net.DialTimeout("tcp", net.JoinHostPort(ip.Address.Addr().String(), "8080"), 3*time.Second)
			return err
		})
		_ = again.Close()
	})
}

// A socket that waits after its end is not listed: a busy server has thousands of them, and a switch waits for the list.
func TestSocketsThatHaveEndedAreNotListed(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		server, client := l.station(), l.station()
		server.set(server.host(ip), 0, ip)
		var listener net.Listener
		server.do(func() (err error) {
			listener, err = net.Listen("tcp", ":8080")
			return err
		})
		defer func() { _ = listener.Close() }()
		listed := func() (own int) {
			server.do(func() error {
				for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
					sockets, err := socketsOf(family)
					if err != nil {
						return err
					}
					for _, s := range sockets {
						if s.local() == ip.Address.Addr() {
							own++
						}
					}
				}
				return nil
			})
			return own
		}
		dial := func() (here, there net.Conn) {
			client.do(func() (err error) {
				here, err = net.DialTimeout("tcp", net.JoinHostPort(ip.Address.Addr().String(), "8080"), 3*time.Second)
				return err
			})
			there, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			return here, there
		}
		here, there := dial()
		_ = there.Close() // first: so it waits here
		_ = here.Close()
		open, other := dial()
		defer func() { _ = open.Close(); _ = other.Close() }()
		for limit := time.Now().Add(3 * time.Second); listed() != 1; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("%d connections are listed, wanted the open one", listed())
			}
		}
	})
}
