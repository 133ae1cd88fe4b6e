//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
	"baton/internal/lab/siteclient"
	"baton/internal/pair"
)

// The timeouts that tests use: the smallest that is allowed; one that a busy machine keeps as
// well; and the default.
const (
	fastest   = pair.MinTimeout
	fast      = 200 * time.Millisecond
	moderate  = time.Second        // where the rule does not depend on the timeout
	byDefault = pair.LeasedTimeout // nobody sets one: the two have their traffic leases
)

const key = "correct horse battery staple 42"

// plan says how a world differs from the usual one.
type plan struct {
	timeout  time.Duration    // 0: moderate
	settings string           // KEY=VALUE ..., over the usual ones
	shared   []string         // nil: one IPv4 address; empty: none
	hosts    []lab.HostSpec   // more of them, not yet plugged in
	disk     int64            // bytes of a file system of its own for each appliance; 0: one for all
	upstream bool             // the site is an application, at socketOf each appliance
	listen   string           // host:port of the TLS port; empty: 443 of the appliance's own address
	prepare  func(*appliance) // done on each host before its daemon starts; nil: nothing
	calm     bool             // whoever watches looks seldom: for hours, or beside other worlds
	programs [2]string        // of alpha and beta; empty: the build under test
}

// world is two appliances, a gateway and a client on one switch, with everybody
// who watches them.
type world struct {
	t           *testing.T
	plan        plan
	lab         *lab.Lab
	alpha, beta *appliance
	gateway     *lab.Host
	shared      []netip.Prefix
	client      *siteclient.Client // asks for the first shared IP
	watcher     *lab.Watcher
	ownerships  []*lab.Ownership
	bothAllowed time.Duration // how long both may have an address; 0 but for partitions
}

// twoDaemons starts two daemons that do not know each other.
func twoDaemons(t *testing.T, p plan) *world {
	t.Helper()
	if p.timeout == 0 {
		p.timeout = moderate
	}
	if p.shared == nil {
		p.shared = []string{"198.51.100.10/24"}
	}
	hosts := append(lab.Cast(), p.hosts...)
	for i := range hosts[:2] {
		hosts[i].Disk = p.disk
	}
	l, err := lab.New(context.Background(), lab.Options{Prefix: "e2e", Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, plan: p, lab: l, gateway: l.Host("gateway")}
	for _, spec := range p.hosts {
		w.fault(l.CutCable(l.Host(spec.Name)))
	}
	for _, text := range p.shared {
		w.shared = append(w.shared, netip.MustParsePrefix(text))
	}
	for i := range p.programs {
		if p.programs[i] == "" {
			p.programs[i] = os.Getenv(daemon.ProgramName)
		}
	}
	w.alpha = newAppliance(t, l, "alpha", p.programs[0])
	w.beta = newAppliance(t, l, "beta", p.programs[1])
	t.Cleanup(w.tell)
	w.alpha.write(site("index.html"), "<h1>The site is up</h1>\n")
	for _, a := range w.both() {
		c := daemon.Config{Shared: w.shared, Listen: p.listen}
		if p.upstream {
			c.Upstream = "unix:" + a.OnHost(socketOf)
		}
		a.configure(c)
		if p.prepare != nil {
			p.prepare(a)
		}
		a.serve()
	}
	return w
}

func (w *world) both() []*appliance { return []*appliance{w.alpha, w.beta} }

// steadyPair makes a pair whose primary is alpha, with a first snapshot on
// beta, a client that asks every 5 ms, and watchers.
func steadyPair(t *testing.T, p plan) *world {
	t.Helper()
	w := twoDaemons(t, p)
	w.pair()
	w.watch()
	return w
}

// pair makes a pair of the two daemons, with alpha's data.
func (w *world) pair() {
	w.t.Helper()
	for _, a := range w.both() {
		a.typed(key, "key set")
	}
	w.alpha.baton("data add dir site " + w.alpha.OnHost(daemon.SiteDir))
	w.alpha.baton(fmt.Sprintf("settings set automatic_failover=true test_ips=%s", w.gateway.Addr4()))
	if w.plan.timeout != byDefault {
		w.alpha.baton(fmt.Sprintf("settings set primary_timeout=%s", w.plan.timeout))
	}
	if w.plan.settings != "" {
		w.alpha.baton("settings set " + w.plan.settings)
	}
	for _, ip := range w.shared {
		for _, a := range w.both() {
			a.baton("shared-ip enable " + ip.Addr().String())
		}
	}
	w.alpha.baton("pair " + peerOf(w.beta))
	w.alpha.baton("sync --wait")
	w.settled(w.alpha, w.beta)
}

// settled waits until the roles are steady and the backup could take over.
func (w *world) settled(primary, backup *appliance) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("%s is primary and %s a backup with a snapshot", primary.Name(), backup.Name()), 30*time.Second, func() bool {
		if !primary.is(pair.Primary) || !backup.is(pair.Backup) {
			return false
		}
		one, err := primary.ask()
		other, err2 := backup.ask()
		return err == nil && err2 == nil && one.Epoch == other.Epoch && other.Sync.Snapshot.Number > 0 && other.Sync.State != pair.SyncFailed
	})
}

// watch begins to look from the client's side and at the switch. What must never
// be is checked when the test ends.
func (w *world) watch() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var watching sync.WaitGroup
	run := func(f func(context.Context) error) {
		watching.Go(func() {
			if err := f(ctx); err != nil {
				w.t.Error(err)
			}
		})
	}
	var ips []netip.Addr
	for _, ip := range w.shared {
		every := 3 * time.Millisecond
		if w.plan.calm {
			every = 25 * time.Millisecond
		}
		ownership := w.lab.Ownership(ip.Addr(), every)
		w.ownerships = append(w.ownerships, ownership)
		ips = append(ips, ip.Addr())
		run(ownership.Run)
	}
	if len(ips) > 0 {
		var err error
		if w.watcher, err = w.lab.Watch(ips...); err != nil {
			w.t.Fatal(err)
		}
		run(w.watcher.Run)
		w.client = w.clientOf(ips[0])
		if w.plan.calm {
			w.client = siteclient.New(siteclient.Options{From: w.lab.Host("client"), Target: netip.AddrPortFrom(ips[0], 80), Every: 50 * time.Millisecond, Keep: time.Minute})
		}
		run(w.client.Run)
	}
	w.t.Cleanup(func() {
		cancel()
		watching.Wait()
		w.neverBoth()
	})
	if w.client != nil {
		eventually(w.t, "the client is answered", 10*time.Second, func() bool { return w.answeredBy(w.alpha) })
	}
}

func (w *world) clientOf(ip netip.Addr) *siteclient.Client {
	return siteclient.New(siteclient.Options{From: w.lab.Host("client"), Target: netip.AddrPortFrom(ip, 80)})
}

// neverBoth checks that no two appliances had an address at once. The hosts are
// looked at one after the other, so a single look proves nothing.
func (w *world) neverBoth() {
	for _, ownership := range w.ownerships {
		for _, overlap := range ownership.Overlaps() {
			both := slices.Contains(overlap.Hosts, w.alpha.Name()) && slices.Contains(overlap.Hosts, w.beta.Name())
			if d := overlap.Duration(); both && d > w.bothAllowed {
				w.t.Errorf("%v both had a shared IP for %s", overlap.Hosts, d)
			}
		}
	}
}

// tell writes what the daemons said, if the test has failed.
func (w *world) tell() {
	if !w.t.Failed() {
		return
	}
	for _, a := range w.both() {
		text, _ := os.ReadFile(a.Log)
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		w.t.Logf("%s said:\n%s", a.Name(), strings.Join(lines[max(0, len(lines)-40):], "\n"))
		if status, err := a.ask(); err == nil {
			w.t.Logf("%s is %+v", a.Name(), status)
		}
	}
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(within); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// throughout checks that something holds all the time.
func throughout(t *testing.T, what string, during time.Duration, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if !holds() {
			t.Fatalf("no longer: %s", what)
		}
	}
}
