package sharedip

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// told keeps what Run tells of strays.
type told struct {
	mu   sync.Mutex
	list [][]Stray
}

func (k *told) note(strays []Stray) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = append(k.list, strays)
}

func (k *told) ever(want Stray) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.list, func(strays []Stray) bool { return slices.Contains(strays, want) })
}

func (k *told) now() []Stray {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.list) == 0 {
		return nil
	}
	return k.list[len(k.list)-1]
}

// An address that another program puts on is taken off the configured interface, at
// most once a minute, and told.
func TestStrayOnTheInterfaceIsTakenOffOnceAMinute(t *testing.T) {
	t.Parallel()
	a := newLAN(t).station()
	h, known := a.host(ip4(t), ip6(t)), &told{}
	a.run(h, Events{Strays: known.note})
	prefix := netip.MustParsePrefix(shared4)
	on := func() bool { return slices.Contains(a.addresses(), prefix) }
	a.do(func() error { return a.address(prefix) })
	eventually(t, 3*time.Second, "it is told", func() bool { return known.ever(Stray{ip4(t), "eth0"}) })
	eventually(t, 3*time.Second, "it is taken off", func() bool { return !on() })
	eventually(t, 3*time.Second, "that it is gone is told", func() bool { return len(known.now()) == 0 })
	a.do(func() error { return a.address(prefix) })
	eventually(t, 3*time.Second, "it is told again", func() bool { return slices.Contains(known.now(), Stray{ip4(t), "eth0"}) })
	time.Sleep(300 * time.Millisecond)
	if !on() {
		t.Error("taken off twice within a minute")
	}
}

// Elsewhere it stays, and is told.
func TestStrayElsewhereIsTold(t *testing.T) {
	t.Parallel()
	a := newLAN(t).station()
	h, known := a.host(ip4(t)), &told{}
	onLoopback := func(add func(netlink.Link, *netlink.Addr) error) {
		a.do(func() error {
			lo, err := netlink.LinkByName("lo")
			if err != nil {
				return err
			}
			addr, err := netlink.ParseAddr("198.51.100.10/32")
			if err != nil {
				return err
			}
			return add(lo, addr)
		})
	}
	onLoopback(netlink.AddrAdd)
	a.run(h, Events{Strays: known.note})
	eventually(t, 3*time.Second, "it is told", func() bool { return slices.Contains(known.now(), Stray{ip4(t), "lo"}) })
	onLoopback(netlink.AddrDel)
	eventually(t, 3*time.Second, "that it is gone is told", func() bool { return len(known.now()) == 0 })
}

// What this appliance claims is no stray, whatever is on lo besides.
func TestWhatIsClaimedIsNoStray(t *testing.T) {
	t.Parallel()
	a := newLAN(t).station()
	h, known := a.host(ip4(t), ip6(t)), &told{}
	a.run(h, Events{Strays: known.note})
	for range 20 {
		a.set(h, time.Second, ip4(t), ip6(t))
		time.Sleep(20 * time.Millisecond)
	}
	a.set(h, 0)
	time.Sleep(100 * time.Millisecond)
	if strays := known.now(); len(strays) > 0 {
		t.Errorf("told as strays: %v", strays)
	}
}
