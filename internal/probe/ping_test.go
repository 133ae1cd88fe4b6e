package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"baton/internal/pair"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Addresses of the tests.
const (
	near4   = "198.51.100.1" // answers
	near6   = "2001:db8::1"  // answers
	silent4 = "198.51.100.9" // on the link, nobody there
	silent6 = "2001:db8::9"  // on the link, nobody there
	beyond  = "203.0.113.1"  // no route
)

func ips(texts ...string) (list []netip.Addr) {
	for _, text := range texts {
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

// machine runs f in a network namespace with a neighbour that answers pings.
// Sockets that f opens must be opened on its own goroutine.
func machine(t *testing.T, f func()) {
	t.Helper()
	var refused, failed error
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		neighbour, err := netns.New()
		if err != nil {
			refused = err
			return
		}
		defer func() { _ = neighbour.Close() }()
		own, err := netns.New()
		if err != nil {
			refused = err
			return
		}
		defer func() { _ = own.Close() }()
		if failed = connect(own, neighbour); failed == nil {
			f()
		}
	})
	done.Wait()
	if refused != nil {
		t.Skipf("cannot make a network namespace (%v): run as root, or under `unshare --user --map-root-user --net --mount`", refused)
	}
	if failed != nil {
		t.Fatal(failed)
	}
}

// connect wires two namespaces and leaves the thread in own.
func connect(own, neighbour netns.NsHandle) error {
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth0", PeerNamespace: netlink.NsFd(neighbour)}
	if err := netlink.LinkAdd(veth); err != nil {
		return err
	}
	type side struct {
		space    netns.NsHandle
		prefixes []string
	}
	sides := []side{{neighbour, []string{near4 + "/24", near6 + "/64"}}, {own, []string{"198.51.100.2/24", "2001:db8::2/64"}}}
	for _, s := range sides {
		if err := errors.Join(netns.Set(s.space), up()); err != nil {
			return err
		}
	}
	for _, s := range sides {
		if err := errors.Join(netns.Set(s.space), untilReady(), address(s.prefixes...)); err != nil {
			return err
		}
	}
	return nil
}

func up() error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// untilReady waits until the link passes frames.
func untilReady() error {
	return poll("link", func() (bool, error) {
		link, err := netlink.LinkByName("eth0")
		return err == nil && link.Attrs().OperState == netlink.OperUp, err
	})
}

func poll(what string, ready func() (bool, error)) error {
	for range 1000 {
		if ok, err := ready(); ok || err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("%s never ready", what)
}

func address(prefixes ...string) error {
	link, err := netlink.LinkByName("eth0")
	if err != nil {
		return err
	}
	for _, prefix := range prefixes {
		addr, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		if addr.IP.To4() == nil {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(link, addr); err != nil {
			return err
		}
		err = poll(prefix, func() (bool, error) { // the kernel answers for it once it has the local route
			routes, err := netlink.RouteGet(addr.IP)
			return err == nil && routes[0].Type == unix.RTN_LOCAL, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func TestPingReportsEachAddressInOrder(t *testing.T) {
	t.Parallel()
	machine(t, func() {
		Reached(t.Context(), ips(near4, near6), 2*time.Second, 2) // the neighbours know each other now
		const timeout = 400 * time.Millisecond
		begun := time.Now()
		results := Ping(t.Context(), ips(silent4, near6, beyond, near4), timeout)
		took := time.Since(begun)
		want := []struct {
			reachable bool
			reason    string
		}{{false, "no answer within " + pair.DurationText(timeout)}, {true, ""}, {false, "no route to host"}, {true, ""}}
		for i, r := range results {
			if r.Reachable != want[i].reachable || r.Reason != want[i].reason || r.Reachable != (r.RTTMS > 0) {
				t.Errorf("%d: %+v, want %+v", i, r, want[i])
			}
		}
		if took < timeout || took > 5*timeout { // TestShortTimeoutIsKept says how well it is kept
			t.Errorf("took %s, want %s", took, timeout)
		}
	})
}

func TestPingReturnsAsSoonAsAllHaveAnswered(t *testing.T) {
	t.Parallel()
	machine(t, func() {
		begun := time.Now()
		results := Ping(t.Context(), ips(near4, near6), 10*time.Second)
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("took %s", took)
		}
		for _, r := range results {
			if !r.Reachable {
				t.Errorf("%+v", r)
			}
		}
		t.Logf("%+v", results)
	})
}

func TestReachedReturnsAsSoonAsEnoughHaveAnswered(t *testing.T) {
	t.Parallel()
	machine(t, func() {
		const timeout = time.Second
		for _, test := range []struct {
			need, want int
			early      bool
			ips        []netip.Addr
		}{
			{1, 1, true, ips(silent4, silent6, near4)},
			{1, 1, true, ips(silent4, silent6, near6)},
			{2, 2, true, ips(silent4, near4, near6)},
			{3, 2, false, ips(silent4, near4, near6)},
			{0, 0, false, ips(silent4)},
		} {
			begun := time.Now()
			got := Reached(t.Context(), test.ips, timeout, test.need)
			early := time.Since(begun) < timeout
			if got != test.want || early != test.early {
				t.Errorf("need %d of %v: %d reached after %s", test.need, test.ips, got, time.Since(begun))
			}
		}
		if got := Reached(t.Context(), nil, time.Second, 1); got != 0 {
			t.Errorf("nobody to ask: %d reached", got)
		}
	})
}

// A machine that gets no processor for longer than it waits finds the answers in
// its socket all the same.
func TestAnswerThatIsReadLateCounts(t *testing.T) {
	t.Parallel()
	machine(t, func() {
		for i, f := range families() {
			line, err := f.open(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			r := newRound(ips(near4, near6), 1, time.Second)
			r.send(line, []int{i}, 0)
			time.Sleep(50 * time.Millisecond)
			line.until(time.Now().Add(-time.Millisecond))
			seq, from, err := line.receive(r.token)
			if err != nil || !r.answered(seq, from) {
				t.Errorf("%s: sequence %d from %s, error %v", r.ips[i], seq, from, err)
			}
			line.close()
		}
	})
}

func TestShortTimeoutIsKept(t *testing.T) {
	t.Parallel()
	machine(t, func() {
		const timeout = 20 * time.Millisecond
		var over []time.Duration
		for range 21 {
			begun := time.Now()
			Reached(t.Context(), ips(silent4, silent6), timeout, 1)
			over = append(over, time.Since(begun)-timeout)
		}
		slices.Sort(over)
		usual := over[len(over)/4] // the others say how busy the machine is
		t.Logf("%s missed by %s usually, by %s at worst", timeout, usual, over[len(over)-1])
		if over[0] < 0 || usual > 20*time.Millisecond {
			t.Errorf("timeout of %s missed by %s", timeout, usual)
		}
	})
}

func TestASecondEchoFollowsALostOne(t *testing.T) {
	t.Parallel()
	machine(t, func() {
		// A neighbour that is put on the link only after the first echo was lost.
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			t.Error(err)
			return
		}
		dead := net.HardwareAddr{2, 0, 0, 0, 0, 0x99}
		entry := &netlink.Neigh{LinkIndex: link.Attrs().Index, IP: net.ParseIP(near4), HardwareAddr: dead, State: netlink.NUD_PERMANENT}
		if err := netlink.NeighSet(entry); err != nil {
			t.Error(err)
			return
		}
		own, err := netns.Get()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = own.Close() }()
		var helping sync.WaitGroup
		helping.Go(func() {
			runtime.LockOSThread()
			time.Sleep(50 * time.Millisecond)
			if err := netns.Set(own); err != nil {
				t.Error(err)
				return
			}
			if err := netlink.NeighDel(entry); err != nil {
				t.Error(err)
			}
		})
		const timeout = 3 * time.Second
		begun := time.Now()
		results := Ping(t.Context(), ips(near4), timeout)
		helping.Wait()
		if !results[0].Reachable || time.Since(begun) > timeout {
			t.Errorf("%+v after %s", results, time.Since(begun))
		}
		if lost := timeout / attempts; results[0].RTTMS > float64(lost/time.Millisecond) {
			t.Errorf("round trip %f ms counts from the lost echo", results[0].RTTMS)
		}
	})
}

func TestCancelledPingSaysSo(t *testing.T) {
	t.Parallel()
	machine(t, func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		time.AfterFunc(20*time.Millisecond, cancel)
		begun := time.Now()
		results := Ping(ctx, ips(silent4), 10*time.Second)
		if results[0].Reason != "the test was cancelled" || time.Since(begun) > 5*time.Second {
			t.Errorf("%+v after %s", results, time.Since(begun))
		}
	})
}

func TestLinkDownIsAReason(t *testing.T) {
	t.Parallel()
	machine(t, func() {
		link, err := netlink.LinkByName("eth0")
		if err == nil {
			err = netlink.LinkSetDown(link)
		}
		if err != nil {
			t.Error(err)
			return
		}
		for _, r := range Ping(t.Context(), ips(near4, near6), 20*time.Millisecond) {
			if r.Reason != "no route to host" {
				t.Errorf("%+v", r)
			}
		}
	})
}

func TestWithoutPermissionThereIsAReason(t *testing.T) {
	t.Parallel()
	machine(t, func() {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil { // of this thread, which ends with the test
			t.Error(err)
			return
		}
		for _, r := range Ping(t.Context(), ips(near4, near6), 20*time.Millisecond) {
			if !strings.Contains(r.Reason, "needs CAP_NET_RAW") {
				t.Errorf("%+v", r)
			}
		}
	})
}

func TestUnprivilegedSocketsWorkAsWell(t *testing.T) {
	t.Parallel()
	machine(t, func() {
		if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0o600); err != nil {
			t.Logf("not tested: the range of groups that may ping cannot be set: %v", err)
			return
		}
		r := newRound(ips(near4, near6), 2, 2*time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), r.timeout)
		defer cancel()
		for _, f := range families() {
			conn, err := f.openUnprivileged()
			if err != nil {
				t.Error(err)
				return
			}
			l := &line{family: f, conn: conn.(socket)}
			r.talk(ctx, cancel, l, r.members(f))
			l.close()
		}
		if r.reached != 2 {
			t.Errorf("%+v", r.results)
		}
	})
}

func FuzzReply(f *testing.F) {
	mark := token{1, 2, 3}
	for _, kind := range []icmp.Type{ipv4.ICMPTypeEchoReply, ipv6.ICMPTypeEchoReply, ipv4.ICMPTypeDestinationUnreachable} {
		message := icmp.Message{Type: kind, Body: &icmp.Echo{ID: 1, Seq: 7, Data: mark[:]}}
		packet, err := message.Marshal(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet)
		f.Add(packet[:len(packet)-1])
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, fam := range families() {
			if seq, ok := parseReply(fam, packet, mark); ok && (seq < 0 || seq > 0xffff) {
				t.Errorf("sequence number %d", seq)
			}
		}
	})
}
