//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// largeFile is more than the kernels of both ends keep for a client that does not read.
const largeFile = 64 << 20

// download asks for the large file, and returns the body of the answer.
func (w *world) download() (io.Reader, net.Conn) {
	w.t.Helper()
	target := netip.AddrPortFrom(w.shared[0].Addr(), 80).String()
	conn, err := w.lab.Host("client").DialContext(w.t.Context(), "tcp", target)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := fmt.Fprintf(conn, "GET /large.bin HTTP/1.1\r\nHost: %s\r\n\r\n", target); err != nil {
		w.t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusOK {
		w.t.Fatalf("%v %+v", err, response)
	}
	w.t.Cleanup(func() { _, _ = conn.Close(), response.Body.Close() })
	return response.Body, conn
}

// switching asks the appliance to become primary, and returns once it says that it waits
// for running requests.
func (a *appliance) switching() api.Task {
	a.t.Helper()
	task, err := api.ChangeRole().Call(context.Background(), a.API, api.RoleChange{Role: pair.Primary, DataSyncFirst: true})
	if err != nil {
		a.t.Fatal(err)
	}
	eventually(a.t, "it says what it waits for", 10*time.Second, func() bool {
		now, err := api.GetTask().Call(context.Background(), a.API, task.ID)
		if err == nil && now.State == api.TaskFailed {
			a.t.Fatal(now.Error)
		}
		return err == nil && strings.Contains(now.Awaits, "running requests have ended")
	})
	return task
}

func (a *appliance) ended(task api.Task, within time.Duration) {
	a.t.Helper()
	eventually(a.t, "the switch ends", within, func() bool {
		now, err := api.GetTask().Call(context.Background(), a.API, task.ID)
		if err == nil && now.State == api.TaskFailed {
			a.t.Fatal(now.Error)
		}
		return err == nil && now.State == api.TaskDone
	})
}

// readInThreeSeconds reads the large file at a steady pace; it must come whole.
func (w *world) readInThreeSeconds(body io.Reader) {
	w.t.Helper()
	read := 0
	for chunk := make([]byte, 1<<20); ; time.Sleep(3 * time.Second / (largeFile >> 20)) {
		n, err := io.ReadFull(body, chunk)
		if read += n; err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			w.t.Errorf("after %d bytes: %v", read, err)
			return
		}
	}
	if read != largeFile {
		w.t.Errorf("the client got %d bytes of %d", read, largeFile)
	}
}

// A backup of the previous version, which is told nothing that it understands, waits all
// the same.
func TestAnOlderBackupWaitsForRequestsThatRun(t *testing.T) {
	full(t)
	w := twoDaemons(t, plan{timeout: byDefault, programs: [2]string{"", previous(t)}})
	w.alpha.write(site("large.bin"), w.alpha.random(largeFile))
	w.pair()
	w.watch()
	body, _ := w.download()
	ended := make(chan daemon.Outcome, 1)
	began := time.Now()
	go func() {
		got, err := w.beta.Run(context.Background(), "", "become", "primary", "--final-sync", "--wait")
		if err != nil {
			t.Error(err)
		}
		ended <- got
	}()
	w.readInThreeSeconds(body)
	if got := <-ended; got.Code != 0 {
		t.Errorf("the switch failed: %s", got.Errs)
	}
	t.Logf("the switch took %s", time.Since(began).Round(time.Millisecond))
	w.settled(w.beta, w.alpha)
}

// A request that takes 3 s is answered whole, and then the site moves.
func TestARequestThatRunsIsAnsweredWholeAcrossASwitch(t *testing.T) {
	w := twoDaemons(t, plan{timeout: byDefault})
	w.alpha.write(site("large.bin"), w.alpha.random(largeFile))
	w.pair()
	w.watch()
	body, _ := w.download()
	task := w.beta.switching()
	began := time.Now()
	w.readInThreeSeconds(body)
	w.beta.ended(task, 20*time.Second)
	t.Logf("the switch ended %s after it began to wait", time.Since(began).Round(time.Millisecond))
	w.settled(w.beta, w.alpha)
	if texts := w.alpha.events(pair.KindRoleChanged); strings.Contains(fmt.Sprint(texts), "still run") {
		t.Errorf("the history says that requests were cut off: %v", texts)
	}
}

// A client that takes its answer slowly holds a switch up for the time that requests
// have, and one that takes nothing for a moment; the history of the old primary says so.
func TestARequestWithoutEndHoldsASwitchUpForItsTime(t *testing.T) {
	full(t)
	for name, c := range map[string]struct {
		reads       bool
		least, most time.Duration
	}{
		"slow": {true, 4 * time.Second, 15 * time.Second}, "stalled": {false, 800 * time.Millisecond, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := twoDaemons(t, plan{timeout: byDefault})
			w.alpha.write(site("large.bin"), w.alpha.random(largeFile))
			w.pair()
			w.watch()
			body, conn := w.download()
			var reading sync.WaitGroup
			t.Cleanup(reading.Wait)
			if c.reads {
				t.Cleanup(func() { _ = conn.Close() })
				reading.Go(func() {
					for chunk := make([]byte, 100<<10); ; time.Sleep(20 * time.Millisecond) {
						if _, err := io.ReadFull(body, chunk); err != nil {
							return
						}
					}
				})
			}
			began := time.Now() // what the switch waits for shows later than it begins to
			w.beta.ended(w.beta.switching(), 30*time.Second)
			if took := time.Since(began); took < c.least || took > c.most {
				t.Errorf("the switch took %s", took)
			}
			w.settled(w.beta, w.alpha)
			eventually(t, "the history says what was left", 5*time.Second, func() bool {
				return strings.Contains(fmt.Sprint(w.alpha.events(pair.KindRoleChanged)), "1 request still runs")
			})
		})
	}
}
