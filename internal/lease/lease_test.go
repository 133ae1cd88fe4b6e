package lease

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

func forever() Term { return Term{Longest: 2 * time.Second, Until: bootTime() + time.Hour} }

func TestTrafficPassesOnlyWhileTheLeaseIsRenewed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.echo("80")
	for _, ip := range both(t) {
		conn, err := s.dial("tcp", ip.Address.Addr(), "80", time.Second)
		if err != nil {
			t.Fatalf("unguarded, %s must answer: %v", ip, err)
		}
		_ = conn.Close()
	}
	s.guard()
	for _, ip := range both(t) {
		if conn, err := s.dial("tcp", ip.Address.Addr(), "80", 200*time.Millisecond); err == nil {
			_ = conn.Close()
			t.Errorf("closed, %s answers", ip)
		}
	}
	stop := s.keep(400*time.Millisecond, 50*time.Millisecond)
	for _, ip := range both(t) {
		for _, network := range []string{"tcp", "udp"} {
			conn, err := s.dial(network, ip.Address.Addr(), "80", 2*time.Second)
			if err != nil || !answers(conn, 2*time.Second) {
				t.Fatalf("open, %s %s does not answer: %v", network, ip, err)
			}
			defer func() { _ = conn.Close() }()
			defer func() {
				if answers(conn, 200*time.Millisecond) {
					t.Errorf("run out, %s %s answers on an open connection", network, ip)
				}
			}()
		}
	}
	last := stop()
	time.Sleep(time.Until(last.Add(450 * time.Millisecond)))
}

func TestALeaseThatRanOutIsBegunAnewByAFreshEntitlementOnlyAndCounted(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.guard()
	short := Term{Longest: 40 * time.Millisecond, Until: bootTime() + time.Hour}
	if err := s.lease.Open(short); err != nil {
		t.Fatal(err)
	}
	time.Sleep(60 * time.Millisecond)
	stale := Term{Longest: 40 * time.Millisecond, Until: bootTime()}
	if err := s.lease.Renew(stale); !errors.Is(err, ErrEnded) {
		t.Fatalf("renewed on an entitlement that has run out: %v", err)
	}
	for _, ip := range both(t) { // what a process sends that was stopped between looking at the clock and sending
		if err := s.lease.packets.Load().send(ip.Address.Addr(), mark(renewOpen, 0)); !errors.Is(err, errLapsed) {
			t.Errorf("%s: a renewal opened a lease that had run out: %v", ip, err)
		}
	}
	if err := s.lease.Renew(forever()); err != nil {
		t.Fatal(err)
	}
	if lapses, at := s.lease.Lapses(); lapses != 1 || at == 0 {
		t.Errorf("%d lapses counted, want 1", lapses)
	}
}

func TestNoLeaseOutlastsTheEntitlement(t *testing.T) {
	t.Parallel()
	millis := func(n int64) time.Duration { return time.Duration(n * int64(time.Millisecond)) }
	for _, row := range []struct{ longest, left, want int64 }{
		{80, 1000, 80}, {100, 1000, 80}, {80, 79, 60}, {80, 81, 80}, {80, 80, 60}, {80, 20, 0}, {80, 21, 20}, {19, 1000, 0}, {5000, 5000, 2000}, {5000, -1, 0},
	} {
		now := 7 * time.Second
		at, ok := step(Term{Longest: millis(row.longest), Until: now + millis(row.left)}, now)
		got := int64(0)
		if ok {
			got = ladder()[at].Milliseconds()
		}
		if got != row.want {
			t.Errorf("longest %d, left %d: %d ms, want %d", row.longest, row.left, got, row.want)
		}
	}
}

func TestARenewalThatComesLateIsTakenBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.guard()
	if err := s.lease.Open(forever()); err != nil {
		t.Fatal(err)
	}
	begun, calls := bootTime(), 0
	s.lease.now = func() time.Duration { // stands still for a second between two looks at the clock
		calls++
		return begun + time.Duration(calls-1)*time.Second
	}
	if err := s.lease.Renew(Term{Longest: 2 * time.Second, Until: begun + 2100*time.Millisecond}); !errors.Is(err, ErrEnded) {
		t.Errorf("a late renewal: %v, want it taken back", err)
	}
	for _, ip := range both(t) {
		if err := s.lease.packets.Load().send(ip.Address.Addr(), mark(renewOpen, 0)); !errors.Is(err, errLapsed) {
			t.Errorf("%s is still open: %v", ip, err)
		}
	}
}

func TestWithoutTheAddressNothingOpens(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.guard()
	s.server.do(func() error { return errors.Join(unaddress(shared4Text), unaddress(shared6Text)) })
	if err := s.lease.Open(forever()); !errors.Is(err, errLapsed) {
		t.Errorf("opened without the addresses: %v", err)
	}
	if err := s.lease.Close(); err != nil {
		t.Errorf("closing without the addresses: %v", err)
	}
}

// An address that is on the machine although nobody may serve it here is closed, and
// renewals of others open nothing there.
func TestASilencedAddressIsNeverOpened(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run()
	all := both(t)
	s.lease.Silence(all[1:])
	if err := s.lease.Guard(all[:1]); err != nil {
		t.Fatal(err)
	}
	if err := s.lease.Open(forever()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the silenced address is closed", func() bool { return !s.knows(all[1].Address.Addr(), 100*time.Millisecond) })
	if !s.knows(all[0].Address.Addr(), 3*time.Second) {
		t.Error("the other one is not open")
	}
	s.lease.Silence(nil)
	eventually(t, "it is let go", func() bool { return s.knows(all[1].Address.Addr(), 300*time.Millisecond) })
}

// On a backup nothing is guarded: its own containers reach the shared IP at the peer.
func TestWithoutGuardedAddressesEverythingPasses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run()
	s.echo("80")
	s.guard()
	s.lease.Unguard()
	eventually(t, "unguarded, it passes", func() bool {
		conn, err := s.dial("tcp", ip4(t), "80", 200*time.Millisecond)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

// A new claim right after a release is guarded, whatever Run had still to do.
func TestGuardOverridesAnEarlierUnguard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run()
	for range 10 { // after some 16 within a second the kernel has no room in the bucket, until it collects what was taken out
		s.guard()
		s.lease.Unguard()
		s.guard()
		if err := s.lease.Open(forever()); err != nil {
			t.Fatal(err)
		}
		if err := s.lease.Close(); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(50 * time.Millisecond)
	if s.knows(ip4(t), 200*time.Millisecond) {
		t.Error("guarded again and closed, it answers")
	}
}

func TestBypassesAreFound(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	wire(m, newMachine(t))
	m.do(func() error {
		parent, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		if found := Bypasses(both(t)); len(found) > 0 {
			t.Errorf("found %v", found)
		}
		if err := netlink.LinkAdd(&netlink.Macvlan{LinkAttrs: netlink.LinkAttrs{Name: "child", ParentIndex: parent.Attrs().Index}, Mode: netlink.MACVLAN_MODE_BRIDGE}); err != nil {
			t.Logf("this kernel makes no macvlan: %v", err)
			return nil
		}
		found := Bypasses(both(t))
		if len(found) != 1 || !strings.Contains(found[0].Text, "child (macvlan)") {
			t.Errorf("found %v, want the macvlan child", found)
		}
		return nil
	})
}
