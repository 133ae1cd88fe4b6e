package sharedip

import (
	"testing"
	"time"

	"baton/internal/pair"

	"github.com/vishvananda/netlink"
)

// A machine whose cable was out for a moment has lost its neighbours, and what the kernel
// asked meanwhile was lost: by itself it would ask again only a second later.
func TestNeighboursAreAskedAgainOnceTheCableIsBack(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		a, b := l.station(), l.station()
		h := a.host(ip)
		a.run(h, Events{})
		up := func() (up bool) {
			a.do(func() error {
				link, err := netlink.LinkByName("eth0")
				up = err == nil && carrier(link)
				return err
			})
			return up
		}
		a.talk(b.ownLike(ip))
		eventually(t, 2*time.Second, "b is known", func() bool { return a.neighbour(b.ownLike(ip)) == b.mac })
		a.plug(false)
		eventually(t, 2*time.Second, "the cable is out", func() bool { return !up() })
		time.Sleep(50 * time.Millisecond) // the daemon hears of it
		a.talk(b.ownLike(ip))
		a.plug(true)
		took := eventually(t, 2*time.Second, "b is known again", func() bool { return a.neighbour(b.ownLike(ip)) == b.mac })
		if took > 600*time.Millisecond {
			t.Errorf("b is known again only %s after the cable is back", took)
		}
		t.Logf("known again after %s", took)
	})
}
