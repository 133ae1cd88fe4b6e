package lease

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"baton/internal/pair"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Addresses of the tests: the shared ones, and the two machines' own.
const (
	shared4Text = "198.51.100.10/24"
	shared6Text = "2001:db8::10/64"
	server4     = "198.51.100.1/24"
	server6     = "2001:db8::1/64"
	client4     = "198.51.100.2/24"
	client6     = "2001:db8::2/64"
)

func sharedIP(t *testing.T, text string) pair.SharedIP {
	t.Helper()
	ip, err := pair.ParseSharedIP(text, "eth0")
	if err != nil {
		t.Fatal(err)
	}
	return ip
}

func both(t *testing.T) []pair.SharedIP {
	t.Helper()
	return []pair.SharedIP{sharedIP(t, shared4Text), sharedIP(t, shared6Text)}
}

// machine is a network namespace of a test.
type machine struct {
	t  *testing.T
	ns netns.NsHandle
}

func newMachine(t *testing.T) machine {
	t.Helper()
	var m machine
	err := onThread(func() (err error) {
		ns, err := netns.New()
		m = machine{t: t, ns: ns}
		return err
	})
	if err != nil {
		t.Skipf("cannot make a network namespace (%v): run as root, or under `unshare --user --map-root-user --net --mount`", err)
	}
	t.Cleanup(func() { _ = m.ns.Close() })
	m.do(func() error { return up("lo") })
	return m
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
func (m machine) do(f func() error) {
	m.t.Helper()
	err := onThread(func() error {
		if err := netns.Set(m.ns); err != nil {
			return err
		}
		return f()
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

func up(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// address adds an address to an interface; call it inside do.
func address(name, prefix string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(prefix)
	if err != nil {
		return err
	}
	addr.Flags = unix.IFA_F_NODAD
	return netlink.AddrReplace(link, addr)
}

// usable waits until the kernel takes a new IPv6 address for its own.
func usable(prefix string) error {
	ip, _, err := net.ParseCIDR(prefix)
	if err != nil {
		return err
	}
	for range 1000 {
		routes, err := netlink.RouteGet(ip)
		if err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
	return errors.New("not usable: " + prefix)
}

func unaddress(prefix string) error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(prefix)
	if err != nil {
		return err
	}
	return netlink.AddrDel(link, addr)
}

// wire connects two machines by a cable, an eth0 in each.
func wire(a, b machine) {
	a.t.Helper()
	a.do(func() error {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(b.ns)}
		return netlink.LinkAdd(veth)
	})
	for _, m := range []machine{a, b} {
		m.do(func() error { return up("eth0") })
	}
}

// site is a machine with the shared IPs and a traffic lease, and a client beside it.
type site struct {
	server, client machine
	lease          *Lease
}

func newSite(t *testing.T, own ...uint16) *site {
	t.Helper()
	s := bareSite(t)
	s.lease = New(both(t), own, slog.New(slog.DiscardHandler))
	s.server.do(func() error { return s.lease.Install(Passing{}) })
	t.Cleanup(func() {
		if err := s.lease.Remove(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// bareSite is a site without a lease.
func bareSite(t *testing.T) *site {
	t.Helper()
	s := &site{server: newMachine(t), client: newMachine(t)}
	wire(s.server, s.client)
	s.server.do(func() error {
		for _, a := range []string{server4, server6, shared4Text, shared6Text} {
			if err := address("eth0", a); err != nil {
				return err
			}
		}
		return usable(shared6Text)
	})
	s.client.do(func() error {
		for _, a := range []string{client4, client6} {
			if err := address("eth0", a); err != nil {
				return err
			}
		}
		return nil
	})
	return s
}

// guard names the shared IPs in the tables.
func (s *site) guard() {
	s.server.t.Helper()
	if err := s.lease.Guard(both(s.server.t)); err != nil {
		s.server.t.Fatal(err)
	}
}

// keep renews until the test ends or the returned function is called, which
// returns when the last renewal was sent.
func (s *site) keep(length, every time.Duration) (stop func() time.Time) {
	s.server.t.Helper()
	term := func() Term { return Term{Longest: length, Until: bootTime() + time.Hour} }
	if err := s.lease.Open(term()); err != nil {
		s.server.t.Fatal(err)
	}
	done, last := make(chan struct{}), make(chan time.Time, 1)
	go func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		at := time.Now()
		for {
			select {
			case <-done:
				last <- at
				return
			case <-ticker.C:
				if err := s.lease.Renew(term()); err == nil {
					at = time.Now()
				}
			}
		}
	}()
	var once sync.Once
	var at time.Time
	stop = func() time.Time {
		once.Do(func() { close(done); at = <-last })
		return at
	}
	s.server.t.Cleanup(func() { stop() })
	return stop
}

// echo answers TCP and UDP on the shared IPs at a port, with what it gets.
func (s *site) echo(port string) {
	s.server.t.Helper()
	for _, ip := range both(s.server.t) {
		at := net.JoinHostPort(ip.Address.Addr().String(), port)
		s.server.do(func() error {
			tcp, err := net.Listen("tcp", at)
			if err != nil {
				return err
			}
			udp, err := net.ListenPacket("udp", at)
			if err != nil {
				return err
			}
			serve(s.server.t, tcp, udp)
			return nil
		})
	}
}

func serve(t *testing.T, tcp net.Listener, udp net.PacketConn) {
	t.Helper()
	var running sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	running.Go(func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			running.Go(func() {
				buffer := make([]byte, 2048)
				for {
					n, err := conn.Read(buffer)
					if err != nil {
						return
					}
					_, _ = conn.Write(buffer[:n])
				}
			})
		}
	})
	running.Go(func() {
		buffer := make([]byte, 2048)
		for {
			n, from, err := udp.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = udp.WriteTo(buffer[:n], from)
		}
	})
	t.Cleanup(func() {
		_ = tcp.Close()
		_ = udp.Close()
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		running.Wait()
	})
}

// dial connects the client to a shared IP.
func (s *site) dial(network string, to netip.Addr, port string, wait time.Duration) (conn net.Conn, err error) {
	s.client.do(func() error {
		conn, err = net.DialTimeout(network, net.JoinHostPort(to.String(), port), wait)
		return nil
	})
	return conn, err
}

// answers reports whether an echo comes back on a connection.
func answers(conn net.Conn, wait time.Duration) bool {
	_ = conn.SetDeadline(time.Now().Add(wait))
	if _, err := conn.Write([]byte("x")); err != nil {
		return false
	}
	_, err := conn.Read(make([]byte, 16))
	return err == nil
}
