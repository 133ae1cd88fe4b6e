package sharedip

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"baton/internal/pair"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// counted has a host count the netlink sockets that it opens.
func counted(h *Host) *int {
	opened, open := new(int), h.kernel.open
	h.kernel.open = func() (*netlink.Handle, error) {
		*opened++
		return open()
	}
	return opened
}

// due is that of a renewal that no release has overtaken.
func due() bool { return true }

func TestRenewalsOpenNoSocket(t *testing.T) {
	t.Parallel()
	a := newLAN(t).station()
	h := a.host(ip4(t), ip6(t))
	opened := counted(h)
	a.do(func() error {
		for range 20 {
			if err := h.Renew(t.Context(), []pair.SharedIP{ip4(t), ip6(t)}, time.Second, due); err != nil {
				return err
			}
			h.looked = time.Time{} // the next one looks at everything again
		}
		return nil
	})
	if *opened != 1 {
		t.Errorf("a claim and 19 renewals opened %d netlink sockets, want one", *opened)
	}
}

// The kernel numbers a new interface of the same name otherwise: what is known of the old one
// must not be used, also where no event tells of it.
func TestARenewalFindsAnInterfaceThatWasReplaced(t *testing.T) {
	t.Parallel()
	l := newLAN(t)
	a := l.station()
	h := a.host(ip4(t), ip6(t))
	wanted := []pair.SharedIP{ip4(t), ip6(t)}
	a.set(h, 2*time.Second, wanted...)
	l.replug(a)
	a.do(func() error { return h.Renew(t.Context(), wanted, 2*time.Second, due) })
	for _, ip := range wanted {
		if !slices.Contains(a.addresses(), ip.Address) {
			t.Errorf("%s is not on the new interface: %v", ip, a.addresses())
		}
	}
}

// What is wrong with a socket must keep no address on a machine, nor off it.
func TestASocketThatFailsIsReplaced(t *testing.T) {
	t.Parallel()
	h := New(nil, slog.New(slog.DiscardHandler))
	t.Cleanup(h.Close)
	opened := counted(h)
	var asked []*netlink.Handle
	ask := func(failure error, fails int) error {
		asked = nil
		return h.kernel.ask(func(socket *netlink.Handle) error {
			asked = append(asked, socket)
			if len(asked) <= fails {
				return failure
			}
			return nil
		})
	}
	if err := ask(unix.ETIMEDOUT, 1); !errors.Is(err, unix.ETIMEDOUT) || len(asked) != 1 {
		t.Errorf("a new socket that fails: asked %d times, error %v; want once, and the error", len(asked), err)
	}
	if err := errors.Join(ask(nil, 0), ask(unix.ETIMEDOUT, 1)); err != nil || len(asked) != 2 || asked[0] == asked[1] {
		t.Errorf("a kept socket that fails: asked %v, error %v; want a new one asked, too", asked, err)
	}
	if err := ask(unix.ETIMEDOUT, 2); !errors.Is(err, unix.ETIMEDOUT) || len(asked) != 2 {
		t.Errorf("both fail: asked %d times, error %v; want twice, and the error", len(asked), err)
	}
	if *opened != 4 || h.kernel.socket != nil {
		t.Errorf("%d sockets opened, want 4, and none that failed kept", *opened)
	}
}
