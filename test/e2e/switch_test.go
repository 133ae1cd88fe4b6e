//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// switchBound is the longest that a planned switch of a small site may be felt.
const switchBound = 300 * time.Millisecond

func TestPlannedSwitch(t *testing.T) {
	bestOf(t, switchBound, plan{timeout: byDefault}, func(w *world) time.Duration {
		at := time.Now()
		w.beta.baton("become primary --final-sync --wait")
		there := w.tookOver(w.alpha, w.beta, at, 10*time.Second)
		w.settled(w.beta, w.alpha)
		at = time.Now()
		w.beta.baton("become backup --final-sync --wait")
		back := w.tookOver(w.beta, w.alpha, at, 10*time.Second)
		w.settled(w.alpha, w.beta)
		w.noRefusal(at)
		return max(there, back)
	})
}

// noRefusal checks that nobody was turned away by either appliance: who was held is
// told to try again.
func (w *world) noRefusal(since time.Time) {
	w.t.Helper()
	for _, a := range w.client.Report().Between(since, time.Now()).Attempts {
		if a.Status != 0 && a.Status != http.StatusOK && a.Status != http.StatusServiceUnavailable {
			w.t.Errorf("%s answered %d at %s", a.Appliance, a.Status, a.End.Format("05.000"))
		}
	}
}

// With a final data sync, whatever was written before the old primary's last
// answer is there after the switch.
func TestFinalSyncLosesNothing(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: byDefault, settings: "sync_schedule=daily"})
	stop := w.alpha.writer(w)
	rest(500 * time.Millisecond)
	at := time.Now()
	w.beta.baton("become primary --final-sync --wait")
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	acknowledged := stop()
	t.Logf("files written and acknowledged: %d", len(acknowledged))
	if len(acknowledged) < 10 {
		t.Fatalf("too few to tell anything")
	}
	for name, text := range acknowledged {
		if !w.beta.has(site(name), text) {
			t.Errorf("%s is not on beta", name)
		}
	}
	w.settled(w.beta, w.alpha)
}

// What somebody was told is saved, while a planned switch runs, is with the new
// primary: users here, who go with the data sync.
func TestWhatIsSavedDuringASwitchStays(t *testing.T) {
	w := steadyPair(t, plan{timeout: byDefault, settings: "sync_schedule=daily"})
	ended := make(chan struct{})
	var switching sync.WaitGroup
	switching.Go(func() {
		defer close(ended)
		got, err := w.beta.Run(context.Background(), "", "become", "primary", "--final-sync", "--wait")
		if err != nil || got.Code != 0 {
			t.Errorf("the switch failed: %v %s", err, got.Errs)
		}
	})
	var told []string
	for i := 0; !isClosed(ended); i++ {
		name := fmt.Sprintf("clerk-%d", i)
		if got := w.alpha.run("a password long enough 1\n", "user", "add", name); got.Code == 0 {
			told = append(told, name)
		}
	}
	switching.Wait()
	w.settled(w.beta, w.alpha)
	users := w.beta.baton("user list")
	for _, name := range told {
		if !strings.Contains(users, name+" ") {
			t.Errorf("%s was made on alpha and is not on beta", name)
		}
	}
	t.Logf("users made during the switch: %d", len(told))
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// writer writes files on the appliance, one after the other, until it is stopped
// or the site is served by another. It returns those that the site's visitors
// could have seen: after each, the appliance answered a request.
func (a *appliance) writer(w *world) (stop func() map[string]string) {
	written := map[string]string{}
	ended := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-ended:
				return
			default:
			}
			name, text := fmt.Sprintf("written-%d.txt", i), fmt.Sprintf("number %d at %s", i, time.Now())
			if a.put(site(name), text) != nil {
				return
			}
			switch by, body, err := w.get(name); {
			case err == nil && by == a.Name() && body == text:
				written[name] = text
			case by != "" && by != a.Name():
				return
			}
		}
	})
	return func() map[string]string {
		close(ended)
		working.Wait()
		return written
	}
}

// Without a final data sync the newest snapshot is served, and what was written
// since is kept as a diverged copy.
func TestBecomePrimaryWithoutFinalSync(t *testing.T) {
	full(t)
	bestOf(t, switchBound, plan{timeout: byDefault, settings: "sync_schedule=daily"}, func(w *world) time.Duration {
		w.alpha.write(site("newer.txt"), "only on alpha")
		at := time.Now()
		w.beta.baton("become primary --wait")
		gap := w.tookOver(w.alpha, w.beta, at, 10*time.Second)
		w.settled(w.beta, w.alpha)
		w.diverged(w.alpha, "newer.txt", "only on alpha")
		return gap
	})
}

// A machine that comes back after a power cut has closed none of the connections
// that it had before; nobody may stumble over them.
func TestSwitchRightAfterAPowerCut(t *testing.T) {
	full(t)
	for name, cut := range map[string]struct {
		victim func(*world) *appliance
		line   string
	}{
		"backup":  {func(w *world) *appliance { return w.beta }, "become backup --final-sync --wait"},
		"primary": {func(w *world) *appliance { return w.alpha }, "become primary --final-sync --wait"},
	} {
		t.Run(name, func(t *testing.T) {
			w := steadyPair(t, plan{timeout: byDefault, settings: "automatic_failover=false"})
			w.alpha.baton("sync --wait") // opens alpha's own connection for data
			victim, other := cut.victim(w), w.alpha
			if victim == w.alpha {
				other = w.beta
			}
			w.fault(w.lab.PowerCut(victim.Host))
			w.fault(w.lab.PowerOn(victim.Host))
			victim.serve()
			w.rolesTaken(w.alpha, w.beta)
			other.baton(cut.line)
			w.settled(w.beta, w.alpha)
		})
	}
}

func TestForcedWithThePeerDead(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate, settings: "automatic_failover=false"})
	w.fault(w.lab.PowerCut(w.alpha.Host))
	rest(2 * moderate)
	w.beta.refused(4, "does not answer", "become primary --wait")
	at := time.Now()
	w.beta.baton("become primary --force --wait")
	w.reached(w.beta, at, 10*time.Second)
	w.returns(w.alpha, w.beta)
}

// While the shared IP answers, its machine is alive: not even force overrides that.
func TestForcedWhileTheAddressAnswers(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate, settings: "automatic_failover=false", hosts: []lab.HostSpec{
		lab.Spec("stranger", "198.51.100.77/24", "198.51.100.10/32"),
	}})
	w.fault(w.lab.PowerCut(w.alpha.Host))
	rest(2 * moderate)
	w.fault(w.lab.PlugCable(w.lab.Host("stranger")))
	rest(moderate)
	w.beta.refused(3, "still answers", "become primary --force --wait")
	w.fault(w.lab.CutCable(w.lab.Host("stranger")))
	at := time.Now()
	eventually(t, "the forced switch is no longer refused", 5*time.Second, func() bool {
		return w.beta.run("", "become", "primary", "--force", "--wait").Code == 0
	})
	w.reached(w.beta, at, 10*time.Second)
}

// Two administrators press the button at the same moment, on both sides.
func TestTwoAdministratorsSwitchAtOnce(t *testing.T) {
	full(t)
	for name, commands := range map[string][2][]string{
		"both become primary":        {{"become", "primary", "--wait"}, {"become", "primary", "--wait"}},
		"backup here, primary there": {{"become", "backup", "--wait"}, {"become", "primary", "--wait"}},
		"with final data syncs":      {{"become", "backup", "--final-sync", "--wait"}, {"become", "primary", "--final-sync", "--wait"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := steadyPair(t, plan{timeout: moderate})
			at := time.Now()
			var pressing sync.WaitGroup
			for i, a := range w.both() {
				pressing.Go(func() {
					got := a.run("", commands[i]...)
					t.Logf("%s on %s: exit code %d %s", commands[i], a.Name(), got.Code, got.Errs)
				})
			}
			pressing.Wait()
			w.tookOver(w.alpha, w.beta, at, 10*time.Second)
			w.settled(w.beta, w.alpha)
			if handovers := w.beta.events(pair.KindHandover); len(handovers) == 0 {
				t.Errorf("the history of beta has no handover")
			}
		})
	}
}

// A client that does not try again by itself is answered in a planned switch, by either
// side: it neither hangs, nor gets nothing, nor is told to try again.
func TestNobodyHangsInAPlannedSwitch(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: byDefault})
	stop := make(chan struct{})
	var asking sync.WaitGroup
	var mu sync.Mutex
	outcomes := map[string]int{}
	for range 20 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				began := time.Now()
				_, _, err := w.get("")
				what := "answered"
				switch {
				case err != nil && strings.Contains(err.Error(), "status 503"):
					what = "told to try again"
				case errors.Is(err, context.DeadlineExceeded), time.Since(began) > 1900*time.Millisecond:
					what = "hung"
				case errors.Is(err, unix.ECONNRESET):
					what = "reset"
				case err != nil:
					what = "empty: " + err.Error()
				}
				mu.Lock()
				outcomes[what]++
				mu.Unlock()
			}
		})
	}
	for _, to := range []*appliance{w.beta, w.alpha, w.beta, w.alpha} {
		rest(1200 * time.Millisecond) // who connects in one move of the address tries again after a second, and is to meet no other
		to.baton("become primary --final-sync --wait")
		w.settled(to, map[*appliance]*appliance{w.alpha: w.beta, w.beta: w.alpha}[to])
	}
	close(stop)
	asking.Wait()
	t.Log(outcomes)
	for what, n := range outcomes {
		if what != "answered" {
			t.Errorf("%d requests: %s", n, what)
		}
	}
}

// How long nobody is answered in a planned switch of a site of 50,000 files: the last
// data sync looks at every one of them.
func TestSwitchOfManyFiles(t *testing.T) {
	full(t)
	const files, bound = 50_000, 1500 * time.Millisecond
	w := twoDaemons(t, plan{timeout: byDefault})
	for i := range files {
		name := filepath.Join(w.alpha.Path(daemon.SiteDir), fmt.Sprintf("d%03d", i%200), fmt.Sprintf("f%05d", i))
		if i < 200 {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(name, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.pair()
	w.watch()
	var gaps []time.Duration
	for _, way := range [][2]*appliance{{w.alpha, w.beta}, {w.beta, w.alpha}, {w.alpha, w.beta}} {
		at := time.Now()
		way[1].baton("become primary --final-sync --wait")
		gaps = append(gaps, w.tookOver(way[0], way[1], at, 20*time.Second))
		w.settled(way[1], way[0])
	}
	if best := slices.Min(gaps); best > bound {
		t.Errorf("without an answer for %s at best, wanted at most %s", best, bound)
	}
}

// A request that a server of somebody else had taken in before a planned switch, and not
// answered, is ended by the switch: its client learns that at once, and asks again.
func TestASwitchEndsRequestsThatAreUnderWay(t *testing.T) {
	w := steadyPair(t, plan{timeout: byDefault})
	listener, err := w.alpha.Listen(t.Context(), "tcp", fmt.Sprintf(":%d", ownPort))
	if err != nil {
		t.Fatal(err)
	}
	taken := make(chan struct{}, 64)
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = conn.Close() }()
				if _, err := bufio.NewReader(conn).ReadString('\n'); err == nil {
					taken <- struct{}{}
				}
				_, _ = io.Copy(io.Discard, conn) // never answers, and ends with the connection
			})
		}
	})
	const clients = 20
	target := netip.AddrPortFrom(w.shared[0].Addr(), ownPort).String()
	var asking sync.WaitGroup
	ended := make(chan error, clients)
	for range clients {
		asking.Go(func() {
			conn, err := w.lab.Host("client").DialContext(t.Context(), "tcp", target)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(15 * time.Second))
			if _, err := io.WriteString(conn, "hello\n"); err != nil {
				t.Error(err)
				return
			}
			_, err = bufio.NewReader(conn).ReadString('\n')
			ended <- err
		})
	}
	for range clients {
		<-taken
	}
	w.beta.baton("become primary --final-sync --wait")
	done := time.Now()
	asking.Wait()
	close(ended)
	for err := range ended {
		if !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("a client met %v", err)
		}
	}
	if took := time.Since(done); took > 2*time.Second {
		t.Errorf("the last client learned of it %s after the switch", took.Round(time.Millisecond))
	}
}
