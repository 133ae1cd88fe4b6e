package lab_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"baton/internal/lab"
	"baton/internal/lab/siteclient"
)

// shared are the addresses that these tests move from host to host.
func shared() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("198.51.100.10/24"), netip.MustParsePrefix("2001:db8::10/64")}
}

func setShared(t *testing.T, h *lab.Host, set func(netlink.Link, *netlink.Addr) error) {
	t.Helper()
	err := h.Do(func() error {
		link, err := netlink.LinkByName(lab.Interface)
		if err != nil {
			return err
		}
		for _, p := range shared() {
			ipnet := &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
			if err := set(link, &netlink.Addr{IPNet: ipnet, Flags: unix.IFA_F_NODAD}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// start runs an observer for as long as the test.
func start(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestWatcherTellsWhoAnswers(t *testing.T) {
	l := newLab(t)
	w, err := l.Watch(shared()[0].Addr(), shared()[1].Addr())
	if err != nil {
		t.Fatal(err)
	}
	start(t, w.Run)
	beta, client := l.Host("beta"), l.Host("client")
	setShared(t, beta, netlink.AddrAdd)
	for _, p := range shared() {
		check(t, client, door(t, beta, p.Addr()), true)
		eventually(t, "the answer is noted", func() bool {
			return slices.ContainsFunc(w.Since(time.Time{}, p.Addr()), func(c lab.Claim) bool {
				return c.Host == "beta" && c.Kind == lab.ClaimAnswer && c.MAC.String() == beta.MAC().String()
			})
		})
	}
	for _, c := range w.Claims() {
		if c.Host != "beta" {
			t.Errorf("claim by %s", c.Host)
		}
	}
}

func TestOwnershipShowsTurnsAndOverlaps(t *testing.T) {
	l := newLab(t)
	ip := shared()[0].Addr()
	o := l.Ownership(ip, time.Millisecond)
	start(t, o.Run)
	alpha, beta := l.Host("alpha"), l.Host("beta")
	setShared(t, alpha, netlink.AddrAdd)
	eventually(t, "alpha's turn is seen", func() bool { return len(o.Intervals()) == 1 })
	setShared(t, beta, netlink.AddrAdd)
	eventually(t, "both are seen for a while", func() bool {
		both := o.Overlaps()
		return len(both) > 0 && both[0].Duration() > 10*time.Millisecond
	})
	setShared(t, alpha, netlink.AddrDel)
	eventually(t, "beta is seen alone", func() bool {
		intervals := o.Intervals()
		return intervals[1].To.After(intervals[0].To)
	})
	ok(t)(l.PowerCut(beta))
	intervals := o.Intervals()
	if len(intervals) != 2 || intervals[0].Host != "alpha" || intervals[1].Host != "beta" || !intervals[1].From.Before(intervals[0].To) {
		t.Errorf("intervals: %v", intervals)
	}
	if both := o.Overlaps(); len(both) != 1 {
		t.Errorf("overlaps: %v", both)
	}
}

// site answers on the host as an appliance would.
func site(t *testing.T, h *lab.Host, ip netip.Addr) netip.AddrPort {
	t.Helper()
	target := netip.AddrPortFrom(ip, 80)
	listener, err := h.Listen(t.Context(), "tcp", target.String())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(lab.ApplianceHeader, h.Name())
		_, _ = w.Write([]byte("the site\n"))
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return target
}

func TestClientMeasuresTheGap(t *testing.T) {
	l := newLab(t)
	alpha, beta := l.Host("alpha"), l.Host("beta")
	ip := shared()[0].Addr()
	setShared(t, alpha, netlink.AddrAdd)
	client := siteclient.New(siteclient.Options{From: l.Host("client"), Target: site(t, alpha, ip)})
	start(t, client.Run)
	answers := func(name string) func() bool {
		return func() bool {
			spells := client.Report().Spells()
			return len(spells) > 0 && spells[len(spells)-1].Appliance == name && spells[len(spells)-1].Answers > 20
		}
	}
	eventually(t, "alpha answers", answers("alpha"))
	at, err := l.PowerCut(alpha)
	ok(t)(at, err)
	const outage = 400 * time.Millisecond
	time.Sleep(time.Until(at.Add(outage)))
	setShared(t, beta, netlink.AddrAdd)
	site(t, beta, ip)
	announce(t, beta, ip)
	back := time.Since(at) // more than outage where the machine is busy
	eventually(t, "beta answers", answers("beta"))

	report := client.Report()
	gap, found := report.GapAfter(at, "beta")
	if !found || gap < outage || gap > back+500*time.Millisecond {
		t.Errorf("gap %s, want %s to %s and little more", gap, outage, back)
	}
	longest := report.Longest()
	if longest.Before != "alpha" || longest.After != "beta" || longest.Duration()-gap > 200*time.Millisecond {
		t.Errorf("longest gap: %s from %s to %s", longest.Duration(), longest.Before, longest.After)
	}
	if spells := report.Spells(); len(spells) != 2 {
		t.Errorf("spells: %v", spells)
	}
	if overlap := report.Overlap("alpha", "beta"); overlap != 0 {
		t.Errorf("overlap %s", overlap)
	}
	eventually(t, "attempts of the outage are abandoned", func() bool { return client.Report().Count(siteclient.Abandoned) > 10 })
}

// announce sends a gratuitous ARP request, as a takeover does.
func announce(t *testing.T, h *lab.Host, ip netip.Addr) {
	t.Helper()
	if err := h.Do(func() error { return sendARP(h.MAC(), ip) }); err != nil {
		t.Fatal(err)
	}
}
