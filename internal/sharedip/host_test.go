package sharedip

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestClaimedAddressIsHeldAndReleased(t *testing.T) {
	t.Parallel()
	a := newLAN(t).station()
	h := a.host(ip4(t), ip6(t))
	begun := time.Now()
	a.set(h, 0, ip4(t), ip6(t))
	claimed := time.Since(begun)
	if got, want := held(a, h), []pair.SharedIP{ip4(t), ip6(t)}; !slices.Equal(got, want) {
		t.Fatalf("held %v, want %v", got, want)
	}
	begun = time.Now()
	a.do(func() error { return h.Cleanup(t.Context()) })
	t.Logf("claimed two addresses in %s, released them in %s", claimed, time.Since(begun))
	if got, want := a.addresses(), []netip.Prefix{netip.PrefixFrom(a.own4, 24), netip.PrefixFrom(a.own6, 64)}; !slices.Equal(got, want) {
		t.Fatalf("after cleanup %v, want the own addresses %v", got, want)
	}
}

func held(s *station, h *Host) (list []pair.SharedIP) {
	s.t.Helper()
	s.do(func() (err error) {
		list, err = h.Held(s.t.Context())
		return err
	})
	return list
}

func TestLeaseEndsByItselfUnlessRenewed(t *testing.T) {
	t.Parallel()
	a := newLAN(t).station()
	h := a.host(ip4(t), ip6(t))
	routes := routesOf(a)
	renewed := time.Now()
	for begun := renewed; time.Since(begun) < 1800*time.Millisecond; time.Sleep(300 * time.Millisecond) {
		renewed = time.Now()
		a.set(h, 900*time.Millisecond, ip4(t), ip6(t))
		if got := held(a, h); len(got) != 2 {
			t.Fatalf("renewed, but held only %v", got)
		}
	}
	eventually(t, 3*time.Second, "the kernel drops both addresses", func() bool { return len(held(a, h)) == 0 })
	t.Logf("both gone %s after the last renewal with a lease of 1 s", time.Since(renewed))
	if got := routesOf(a); !slices.Equal(got, routes) {
		t.Errorf("routes of the machine changed:\n%v\nbefore:\n%v", got, routes)
	}
	if got := a.addresses(); len(got) != 2 {
		t.Errorf("own addresses left: %v", got)
	}
}

// routesOf renders the routes to the networks of eth0, with their expiry.
func routesOf(s *station) (list []string) {
	s.t.Helper()
	s.do(func() error {
		link, err := netlink.LinkByName("eth0")
		if err != nil {
			return err
		}
		routes, err := netlink.RouteList(link, netlink.FAMILY_ALL)
		for _, route := range routes {
			if !route.Dst.IP.IsLinkLocalUnicast() {
				list = append(list, route.String())
			}
		}
		return err
	})
	return list
}

func TestSharedAddressHasNoPartInTheOwnRoute(t *testing.T) {
	t.Parallel()
	a := newLAN(t).station()
	alone := sharedIP(t, "2001:db8:1::10/64") // no own address in its network: it needs the route
	h := a.host(ip6(t), alone)
	a.set(h, 0, ip6(t), alone)
	a.do(func() error {
		list, err := h.kernel.addresses()
		for _, addr := range list {
			ip, apart := prefixOf(addr), addr.Flags&unix.IFA_F_NOPREFIXROUTE != 0
			if ip == ip6(t).Address && !apart || ip == alone.Address && apart {
				t.Errorf("%s: apart from the route of its network: %t", ip, apart)
			}
		}
		return err
	})
}

func TestSetTakesOffWhatIsNotWantedAndNothingElse(t *testing.T) {
	t.Parallel()
	a := newLAN(t).station()
	other := netip.MustParsePrefix("198.51.100.77/24") // somebody else's, on the same interface
	old := netip.MustParsePrefix("198.51.100.10/32")   // ours, from before a change of the configuration
	a.do(func() error { return errors.Join(a.address(other), a.address(old)) })
	second := sharedIP(t, "198.51.100.11/24")
	h := a.host(ip4(t), second)
	a.set(h, 0, second)
	a.set(h, 0, ip4(t))
	a.set(h, 0, ip4(t))
	want := []netip.Prefix{netip.PrefixFrom(a.own4, 24), other, ip4(t).Address, netip.PrefixFrom(a.own6, 64)}
	if got := a.addresses(); !slices.Equal(got, want) {
		t.Fatalf("addresses %v, want %v", got, want)
	}
}

func TestReleaseKeepsAnOwnAddressThatCameLater(t *testing.T) {
	t.Parallel()
	a := newLAN(t).station()
	network := func(s string) pair.SharedIP { return sharedIP(t, s) }
	ip := network("203.0.113.10/24")
	h := a.host(ip)
	a.set(h, 0, ip) // the first of its network: the kernel makes later ones depend on it
	later := netip.MustParsePrefix("203.0.113.1/24")
	a.do(func() error { return a.address(later) })
	a.set(h, 0)
	if got := a.addresses(); !slices.Contains(got, later) {
		t.Fatalf("%s went with the shared IP: %v", later, got)
	}
}

func TestSetDoesWhatItCanAndSaysWhatItCannot(t *testing.T) {
	t.Parallel()
	a := newLAN(t).station()
	absent, err := pair.ParseSharedIP("198.51.100.12/24", "eth7")
	if err != nil {
		t.Fatal(err)
	}
	stranger := sharedIP(t, "198.51.100.77/24")
	h := a.host(ip4(t), ip6(t), absent)
	a.set(h, 0, ip6(t))
	a.do(func() error {
		err = h.Set(t.Context(), []pair.SharedIP{absent, stranger, ip4(t)}, 0)
		return nil
	})
	if !errors.Is(err, ErrNoInterface) || !strings.Contains(err.Error(), stranger.String()) {
		t.Errorf("error %v, want one that names the missing interface and %s", err, stranger)
	}
	if got, want := held(a, h), []pair.SharedIP{ip4(t)}; !slices.Equal(got, want) {
		t.Errorf("held %v, want %v", got, want)
	}
}

func TestCancelledSetReleasesButClaimsNothing(t *testing.T) {
	t.Parallel()
	a := newLAN(t).station()
	h := a.host(ip4(t), ip6(t))
	a.set(h, 0, ip4(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var err error
	a.do(func() error {
		err = h.Set(ctx, []pair.SharedIP{ip6(t)}, 0)
		return nil
	})
	if got := held(a, h); len(got) != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("held %v, error %v", got, err)
	}
}

func TestLifetimeRoundsUpToWholeSeconds(t *testing.T) {
	t.Parallel()
	for lease, want := range map[time.Duration]int{
		0: forever, 1: 1, time.Second: 1, time.Second + 1: 2, 2500 * time.Millisecond: 3,
	} {
		if got := lifetime(lease); got != want {
			t.Errorf("lifetime(%s) = %d, want %d", lease, got, want)
		}
	}
}

func TestPermissionIsKnownBeforeAnAddressIsPutOn(t *testing.T) {
	t.Parallel()
	a := newLAN(t).station()
	h := a.host(ip4(t))
	a.do(func() error {
		if err := h.Permitted("eth0"); err != nil {
			t.Errorf("with the capability: %v", err)
		}
		if err := h.Permitted("eth9"); err == nil || errors.Is(err, ErrNotPermitted) {
			t.Errorf("no such interface: %v", err)
		}
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil { // of this thread, which ends with the test
			return err
		}
		if err := h.Permitted("eth0"); !errors.Is(err, ErrNotPermitted) {
			t.Errorf("without the capability: %v", err)
		}
		if err := h.Set(t.Context(), []pair.SharedIP{ip4(t)}, time.Second); !errors.Is(err, ErrNotPermitted) {
			t.Errorf("setting without the capability: %v", err)
		}
		return nil
	})
}
