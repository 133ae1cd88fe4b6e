//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"baton/internal/lab"
)

// patientVisitors ask the site at a steady rate: half of them on a new connection each time, half
// on connections that they keep. Each waits for its answer, and asks nothing twice.
type patientVisitors struct {
	from   *lab.Host
	target netip.AddrPort

	mu       sync.Mutex
	answered []time.Duration
	by       map[string]int
	failed   []error
	races    int // requests on a connection that was being closed just then, which every client makes anew
	end      context.CancelFunc
	asking   sync.WaitGroup
}

// patience is how long a visitor waits for an answer.
const patience = 10 * time.Second

// visitPatiently begins rate requests a second.
func (w *world) visitPatiently(rate int) *patientVisitors {
	ctx, end := context.WithCancel(context.Background())
	v := &patientVisitors{from: w.lab.Host("client"), target: netip.AddrPortFrom(w.shared[0].Addr(), 80), by: map[string]int{}, end: end}
	const keep = 5 // patientVisitors who keep their connection
	every := time.Second * 2 / time.Duration(rate)
	v.asking.Go(func() {
		for ctx.Err() == nil {
			v.asking.Go(func() {
				began := time.Now()
				conn, err := v.dial()
				if err == nil {
					_, err = v.ask(conn, began, true)
					_ = conn.Close()
				}
				v.note(err)
			})
			rest(every)
		}
	})
	for range keep {
		v.asking.Go(func() { v.stay(ctx, every*keep) })
	}
	w.t.Cleanup(func() { end(); v.asking.Wait() })
	return v
}

// stay asks again and again on a connection, and makes a new one when it is told to.
func (v *patientVisitors) stay(ctx context.Context, every time.Duration) {
	var conn net.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	for ; ctx.Err() == nil; rest(every) {
		began, used := time.Now(), conn != nil
		if conn == nil {
			dialled, err := v.dial()
			if err != nil {
				v.note(err)
				continue
			}
			conn = dialled
		}
		last, err := v.ask(conn, began, false)
		if err != nil || last {
			_ = conn.Close()
			conn = nil
		}
		if used && errors.Is(err, errClosing) {
			v.mu.Lock()
			v.races++
			v.mu.Unlock()
			continue
		}
		v.note(err)
	}
}

func (v *patientVisitors) dial() (net.Conn, error) {
	limited, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return v.from.DialContext(limited, "tcp", v.target.String())
}

var errClosing = errors.New("closed before a byte of the answer came")

// ask makes one request, and reads the whole answer; last: the connection is used no more.
func (v *patientVisitors) ask(conn net.Conn, began time.Time, closes bool) (last bool, err error) {
	_ = conn.SetDeadline(began.Add(patience))
	header := ""
	if closes {
		header = "Connection: close\r\n"
	}
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\n%s\r\n", v.target, header); err != nil {
		return true, errors.Join(errClosing, err)
	}
	in := bufio.NewReader(conn)
	if _, err := in.Peek(1); err != nil {
		if timeout, is := errors.AsType[net.Error](err); is && timeout.Timeout() {
			return true, err
		}
		return true, errors.Join(errClosing, err)
	}
	answer, err := http.ReadResponse(in, nil)
	if err != nil {
		return true, err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return true, err
	}
	if answer.StatusCode != http.StatusOK {
		return true, fmt.Errorf("%s from %s", answer.Status, answer.Header.Get(lab.ApplianceHeader))
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answered = append(v.answered, time.Since(began))
	v.by[answer.Header.Get(lab.ApplianceHeader)]++
	return answer.Close, nil
}

func (v *patientVisitors) note(err error) {
	if err == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.failed = append(v.failed, fmt.Errorf("%s: %w", time.Now().Format("05.000"), err))
}

// stop ends it, and tells how it went.
func (v *patientVisitors) stop() (answered []time.Duration, failed []error) {
	v.end()
	v.asking.Wait()
	slices.Sort(v.answered)
	return v.answered, v.failed
}

// A planned switch behind Baton's own doors costs no request.
func TestAPlannedSwitchCostsNoRequest(t *testing.T) {
	switches := 4
	if !testing.Short() {
		switches = 20
	}
	w := steadyPair(t, plan{timeout: byDefault})
	v := w.visitPatiently(200)
	rest(500 * time.Millisecond)
	primary, backup := w.alpha, w.beta
	for range switches {
		at := time.Now()
		backup.baton("become primary --final-sync --wait")
		primary, backup = backup, primary
		w.settled(primary, backup)
		t.Logf("%s serves, after %s", primary.Name(), time.Since(at).Round(time.Millisecond))
		rest(1200 * time.Millisecond) // a client that was kept out tries again after a second, and is to find no other switch
	}
	answered, failed := v.stop()
	for _, err := range failed {
		t.Error(err)
	}
	if len(answered) == 0 {
		t.Fatal("nobody was answered")
	}
	slow := 0
	for _, took := range answered {
		if took > 500*time.Millisecond {
			slow++
		}
	}
	longest := answered[len(answered)-1]
	t.Logf("%d switches, %d requests answered (%v), %d failed; %d raced with the end of a kept connection; 99.9 %% within %s, longest %s, %d longer than 0.5 s",
		switches, len(answered), v.by, len(failed), v.races, answered[len(answered)*999/1000].Round(time.Millisecond), longest.Round(time.Millisecond), slow)
	if longest > 1500*time.Millisecond {
		t.Errorf("somebody waited %s for an answer", longest)
	}
}

// Whatever fails while requests are passed on: no two have the address, one is the primary in
// the end, and it answers.
func TestASwitchIsHitWhileRequestsArePassedOn(t *testing.T) {
	full(t)
	for name, hit := range map[string]func(w *world) (mend func()){
		"the former primary stands still": func(w *world) func() {
			w.fault(w.lab.Pause(w.alpha.Host))
			return func() { w.fault(w.lab.Resume(w.alpha.Host)) }
		},
		"the new primary stands still": func(w *world) func() {
			w.fault(w.lab.Pause(w.beta.Host))
			return func() { w.fault(w.lab.Resume(w.beta.Host)) }
		},
		"the former primary loses its power": func(w *world) func() {
			w.fault(w.lab.PowerCut(w.alpha.Host))
			return func() { w.fault(w.lab.PowerOn(w.alpha.Host)); w.alpha.serve() }
		},
		"the new primary loses its power": func(w *world) func() {
			w.fault(w.lab.PowerCut(w.beta.Host))
			return func() { w.fault(w.lab.PowerOn(w.beta.Host)); w.beta.serve() }
		},
		"the former primary's cable is cut": func(w *world) func() {
			w.fault(w.lab.CutCable(w.alpha.Host))
			return func() { w.fault(w.lab.PlugCable(w.alpha.Host)) }
		},
		"the two lose each other": func(w *world) func() {
			w.bothAllowed = 2 * time.Second // the gateway tells one of them
			w.fault(w.lab.Partition(w.alpha.Host, w.beta.Host))
			return func() { w.fault(w.lab.Heal()) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, after := range []int{30, 60, 110} {
				w := steadyPair(t, plan{timeout: moderate})
				v := w.visitPatiently(200)
				rest(200 * time.Millisecond)
				var switching sync.WaitGroup
				switching.Go(func() { w.beta.run("", "become", "primary", "--final-sync") })
				rest(time.Duration(after) * time.Millisecond)
				mend := hit(w)
				rest(3 * time.Second)
				mend()
				switching.Wait()
				primary, _ := w.settledEither()
				eventually(t, "the site is answered", 10*time.Second, func() bool { return w.answeredBy(primary) })
				answered, failed := v.stop()
				t.Logf("after %d ms: %s is the primary; %d requests answered, %d not", after, primary.Name(), len(answered), len(failed))
			}
		})
	}
}
