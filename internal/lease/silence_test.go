package lease

import (
	"bufio"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"baton/internal/pair"
)

// keeperName marks this test's program as the process that is killed in a test: it
// keeps the lease until then.
const keeperName = "BATON_LEASE_KEEPER"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(keeperName) != "":
		keeper()
		return
	case os.Getenv(hogName) != "":
		time.AfterFunc(time.Minute, func() { os.Exit(0) }) // whatever becomes of the test
		for n := 0; ; n++ {
			_ = n * n
		}
	}
	goleak.VerifyTestMain(m)
}

// hogName marks it as one that only keeps a processor busy.
const hogName = "BATON_LEASE_HOG"

// keptLength is the lease of the process: as with a timeout of 200 ms.
const keptLength = 80 * time.Millisecond

func keeper() {
	var managed []pair.SharedIP
	for _, text := range []string{shared4Text, shared6Text} {
		ip, _ := pair.ParseSharedIP(text, "eth0")
		managed = append(managed, ip)
	}
	l := New(managed, nil, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err := l.Install(Passing{}); err != nil {
		panic(err)
	}
	if err := l.Guard(managed); err != nil {
		panic(err)
	}
	term := func() Term { return Term{Longest: keptLength, Until: bootTime() + time.Hour} }
	if err := l.Open(term()); err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("open\n")
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGTERM)
	ticker := time.NewTicker(keptLength / 4)
	for renewals := 0; ; renewals++ {
		select {
		case <-ticker.C:
			_ = l.Renew(term())
		case <-ended:
			lapses, _ := l.Lapses()
			_, _ = fmt.Fprintln(os.Stdout, renewals, lapses)
			return
		}
	}
}

// process starts the keeper on the server, with the priority of Baton's unit where
// that is allowed, and waits until the site is open.
func (s *site) process() (*exec.Cmd, *bufio.Reader) {
	s.server.t.Helper()
	cmd := exec.Command("nice", "-n", "-15", os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), keeperName+"=1"), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.server.t.Fatal(err)
	}
	s.server.do(cmd.Start)
	s.server.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	said := bufio.NewReader(out)
	if line, err := said.ReadString('\n'); err != nil || line != "open\n" {
		s.server.t.Fatalf("the keeper said %q: %v", line, err)
	}
	return cmd, said
}

// signs are signs of life of a shared IP, as its neighbour gets them.
type signs struct {
	mu   sync.Mutex
	last map[string]time.Time // by kind
}

func (g *signs) note(kind string, at time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if at.After(g.last[kind]) {
		g.last[kind] = at
	}
}

// watchSigns sends to the shared IPs each millisecond, and notes when the kernel got
// the newest answer of each kind.
func (s *site) watchSigns() *signs {
	s.server.t.Helper()
	g := &signs{last: map[string]time.Time{}}
	var ended atomic.Bool
	var running sync.WaitGroup
	s.server.t.Cleanup(func() { ended.Store(true); running.Wait() })
	for _, ip := range both(s.server.t) {
		for _, network := range []string{"tcp", "udp"} {
			conn, err := s.dial(network, ip.Address.Addr(), "80", 3*time.Second)
			if err != nil {
				s.server.t.Fatal(err)
			}
			kind := network + " " + family6(ip.Address.Addr())
			running.Go(func() {
				buffer := make([]byte, 4096)
				for !ended.Load() {
					_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
					if _, err := conn.Read(buffer); err == nil {
						g.note(kind, time.Now())
					}
				}
				_ = conn.Close()
			})
			running.Go(func() {
				for !ended.Load() {
					_ = conn.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
					_, _ = conn.Write([]byte("x"))
					time.Sleep(time.Millisecond)
				}
			})
		}
	}
	return g
}

func family6(ip netip.Addr) string {
	if ip.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// A process that keeps the lease is killed, or stopped: the site falls silent within
// its time, open connections included, and a process that goes on cannot open it.
func TestAKilledOrStoppedProcessFallsSilentInTime(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]unix.Signal{"killed": unix.SIGKILL, "stopped": unix.SIGSTOP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := bareSite(t)
			s.echo("80")
			process, _ := s.process()
			g := s.watchSigns()
			time.Sleep(300 * time.Millisecond)
			at := time.Now()
			if err := unix.Kill(process.Process.Pid, signal); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond)
			g.mu.Lock()
			defer g.mu.Unlock()
			if len(g.last) != 4 {
				t.Fatalf("signs of life of %d kinds only: %v", len(g.last), g.last)
			}
			var took []time.Duration
			for kind, last := range g.last {
				lasted := last.Sub(at).Round(100 * time.Microsecond)
				took = append(took, lasted)
				if lasted > keptLength+readLate {
					t.Errorf("%s: the last sign of life came %s after the signal, and the lease was %s", kind, lasted, keptLength)
				}
			}
			slices.Sort(took)
			t.Logf("%s: last signs of life after %v; lease %s", name, took, keptLength)
			for _, ip := range both(t) {
				if s.knows(ip.Address.Addr(), 200*time.Millisecond) {
					t.Errorf("%s answers its neighbours", ip)
				}
			}
			if signal == unix.SIGSTOP {
				_ = process.Process.Signal(unix.SIGCONT) // entitled for an hour: it opens anew, by its own decision
				eventually(t, "the process opens anew", func() bool { return s.knows(ip4(t), 200*time.Millisecond) })
			}
		})
	}
}

// readLate is how late a reader of a busy machine may wake.
const readLate = 40 * time.Millisecond

func ip4(t *testing.T) netip.Addr { t.Helper(); return sharedIP(t, shared4Text).Address.Addr() }

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within 10 s: " + what)
		}
	}
}
