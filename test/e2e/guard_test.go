//go:build e2e

package e2e

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"baton/internal/api"
	"baton/internal/pair"
)

// The gateway is the only test IP. While the peers hear each other, its death is
// nobody's affair.
func TestGatewayDead(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast})
	at := w.fault(w.lab.PowerCut(w.gateway))
	w.noTakeover(w.beta, 10*fast)
	w.undisturbed(w.alpha, at, quietly)
}

func TestNoTestIPReachable(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast})
	w.fault(w.lab.PowerCut(w.gateway))
	w.fault(w.lab.PowerCut(w.alpha.Host))
	w.noTakeover(w.beta, 10*fast)
	eventually(t, "a condition says why", 3*time.Second, func() bool { return w.beta.condition("own-network-at-fault") })
	at := w.fault(w.lab.PowerOn(w.gateway))
	w.reached(w.beta, at, 10*time.Second)
}

func TestBackupOperationsOff(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast, settings: "backup_operations=false"})
	before := w.beta.status().Sync.Snapshot.Number
	w.alpha.write(site("later.txt"), "later")
	throughout(t, "no data sync happens", 4*time.Second, func() bool {
		return w.beta.status().Sync.Snapshot.Number == before && !w.beta.has(site("later.txt"), "later")
	})
	w.fault(w.lab.PowerCut(w.alpha.Host))
	w.noTakeover(w.beta, 10*fast)
}

func TestAutomaticFailoverOff(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast, settings: "automatic_failover=false"})
	w.alpha.write(site("later.txt"), "later")
	eventually(t, "data syncs go on", 10*time.Second, func() bool { return w.beta.has(site("later.txt"), "later") })
	w.fault(w.lab.PowerCut(w.alpha.Host))
	w.noTakeover(w.beta, 10*fast)
}

func TestObserveOnly(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast, settings: "observe_only=true"})
	w.fault(w.lab.PowerCut(w.alpha.Host))
	eventually(t, "the history tells what would have been done", 5*time.Second, func() bool {
		return len(w.beta.events(pair.KindObserved)) == 1
	})
	w.noTakeover(w.beta, 10*fast)
}

func TestMaintenance(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast})
	w.alpha.baton("maintenance on")
	eventually(t, "the backup knows", 3*time.Second, func() bool { return w.beta.condition("maintenance") })
	w.fault(w.lab.PowerCut(w.alpha.Host))
	w.noTakeover(w.beta, 10*fast)
	at := w.fault(w.lab.PowerOn(w.alpha.Host))
	w.alpha.serve()
	w.reached(w.alpha, at, 10*time.Second)
	w.beta.baton("maintenance off") // though it was turned on at alpha
	w.settled(w.alpha, w.beta)
	at = w.fault(w.lab.PowerCut(w.alpha.Host))
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
}

// Who is told that maintenance is on may stop the primary at once.
func TestMaintenanceIsKnownToThePeerWhenTheCommandReturns(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast})
	for range 6 {
		w.alpha.baton("maintenance on")
		w.fault(w.lab.PowerCut(w.alpha.Host))
		rest(4 * fast)
		if w.beta.status().Role != pair.Backup {
			t.Fatal("the backup took over in maintenance")
		}
		at := w.fault(w.lab.PowerOn(w.alpha.Host))
		w.alpha.serve()
		w.reached(w.alpha, at, 10*time.Second)
		w.alpha.baton("maintenance off")
		w.settled(w.alpha, w.beta)
	}
}

// A change that the peer cannot learn of is kept, and said.
func TestUnconfirmedChangeIsSaid(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate})
	began := time.Now()
	w.alpha.baton("settings set max_data_age=3h")
	if got := strings.TrimSpace(w.beta.baton("settings get max_data_age")); got != "3h" {
		t.Errorf("the command returned, and the backup has max_data_age=%s", got)
	}
	t.Logf("a change is confirmed after %s", time.Since(began).Round(time.Millisecond))
	w.fault(w.lab.CutCable(w.beta.Host))
	w.alpha.refused(4, "the settings are saved here", "settings set max_data_age=4h")
	w.alpha.refused(4, "maintenance is on here", "maintenance on")
	if got := strings.TrimSpace(w.alpha.baton("settings get max_data_age")); got != "4h" {
		t.Errorf("the change is not kept: max_data_age=%s", got)
	}
	w.fault(w.lab.PlugCable(w.beta.Host))
	eventually(t, "the backup learns of both", 10*time.Second, func() bool {
		return w.beta.condition("maintenance") && strings.TrimSpace(w.beta.baton("settings get max_data_age")) == "4h"
	})
	w.alpha.baton("maintenance off")
}

// Also when the appliance that ends it has not heard yet that the other began it.
func TestMaintenanceEndsAtOnceFromTheOtherSide(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: time.Minute})
	for range 3 {
		w.alpha.baton("maintenance on")
		w.beta.baton("maintenance off")
		if w.alpha.condition("maintenance") {
			t.Fatal("beta said that maintenance is off, and alpha is still in it")
		}
	}
}

// Without a shared IP automatic failover does not function, and says so; Become
// Primary remains.
func TestNoSharedIP(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast, shared: []string{}})
	for _, a := range w.both() {
		if !a.condition("no-shared-ip") {
			t.Errorf("%s does not say that automatic failover does not function", a.Name())
		}
	}
	w.fault(w.lab.PowerCut(w.alpha.Host))
	w.noTakeover(w.beta, 10*fast)
	w.beta.refused(4, "does not answer", "become primary --wait")
	w.beta.baton("become primary --force --wait")
	eventually(t, "beta is primary", 5*time.Second, func() bool { return w.beta.status().Role == pair.Primary })
}

func TestThreeTakeoversPauseTheNext(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast})
	for range 3 {
		at := w.fault(w.lab.PowerCut(w.alpha.Host))
		w.tookOver(w.alpha, w.beta, at, 10*time.Second)
		w.returns(w.alpha, w.beta)
		w.alpha.baton("become primary --wait")
		w.settled(w.alpha, w.beta)
		rest(500 * time.Millisecond) // keeps what was before out of what is looked at
	}
	w.fault(w.lab.PowerCut(w.alpha.Host))
	eventually(t, "automatic failover is paused", 5*time.Second, func() bool { return w.beta.condition("automatic-paused") })
	throughout(t, "beta is a backup", 10*fast, func() bool { return w.beta.status().Role == pair.Backup })
	at := time.Now()
	w.beta.baton("resume")
	w.reached(w.beta, at, 10*time.Second)
}

// While all is well nothing happens: no suspicion comes and goes.
func TestSteadyPairIsQuiet(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast})
	rest(2 * time.Second)
	quiet := time.Now() // what is merged from the peer later on happened before
	rest(3 * time.Second)
	changes := slices.DeleteFunc(w.beta.events(pair.KindRoleChanged), func(e api.Event) bool { return e.Time.Before(quiet) })
	if len(changes) > 2 {
		t.Errorf("%d changes in 3 s: %v", len(changes), changes)
	}
}

// A primary that was told to stop has not failed: however often that happens, the
// backup takes over.
func TestOrderlyStopsPauseNothing(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast})
	for range 4 {
		at := time.Now()
		if err := w.alpha.Daemon().Stop(5 * time.Second); err != nil {
			t.Log(err)
		}
		w.reached(w.beta, at, 10*time.Second)
		w.alpha.serve()
		w.settled(w.beta, w.alpha)
		w.alpha.baton("become primary --final-sync --wait")
		w.settled(w.alpha, w.beta)
	}
	if w.beta.condition("automatic-paused") {
		t.Error("orderly stops have paused automatic failover")
	}
}

// A shared IP on an interface of its own: its cable is health, though the two hear
// each other over another.
func TestCableOfASecondInterface(t *testing.T) {
	full(t)
	w := twoDaemons(t, plan{timeout: moderate})
	for _, a := range w.both() {
		if err := a.Daemon().Stop(5 * time.Second); err != nil {
			t.Log(err)
		}
		err := a.Host.Do(func() error {
			veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth1"}, PeerName: "port1"}
			if err := netlink.LinkAdd(veth); err != nil {
				return err
			}
			return errors.Join(netlink.LinkSetUp(veth), secondCable(true))
		})
		if err != nil {
			t.Fatal(err)
		}
		config, err := os.OpenFile(a.Path("baton.toml"), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = config.WriteString("\n[[shared_ip]]\naddress = \"203.0.113.10/24\"\ninterface = \"eth1\"\n")
		if err := errors.Join(err, config.Close()); err != nil {
			t.Fatal(err)
		}
		a.serve()
	}
	w.pair()
	for _, a := range w.both() {
		a.baton("shared-ip enable 203.0.113.10")
	}
	rest(11 * time.Second) // a backup is a target once its cables have been in for ten seconds
	if err := w.alpha.Host.Do(func() error { return secondCable(false) }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "alpha says that the cable is out", 10*time.Second, func() bool { return w.alpha.condition("shared-ip-no-carrier") })
	w.settled(w.beta, w.alpha)
	if err := w.alpha.Host.Do(func() error { return secondCable(true) }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "alpha says no more that the cable is out", 10*time.Second, func() bool { return !w.alpha.condition("shared-ip-no-carrier") })
}

// secondCable plugs the cable of eth1 in, or pulls it.
func secondCable(in bool) error {
	link, err := netlink.LinkByName("port1")
	switch {
	case err != nil:
		return err
	case in:
		return netlink.LinkSetUp(link)
	}
	return netlink.LinkSetDown(link)
}
