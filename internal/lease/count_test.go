package lease

import (
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// countName has the counted run be the whole one: 1,000,000 requests over at least
// 10,000 renewals of a lease as with a timeout of 200 ms, some five minutes.
const countName = "BATON_LEASE_COUNT"

// No request is lost to renewals: a short run with a lease that busy machines keep,
// or the whole one, by a process of its own as the daemon is.
func TestNoRequestIsLostToRenewals(t *testing.T) {
	if os.Getenv(countName) != "" {
		countAll(t)
		return
	}
	s := newSite(t)
	s.echo("80")
	s.guard()
	s.run()
	term := func() Term { return Term{Longest: 480 * time.Millisecond, Until: bootTime() + time.Hour} }
	if err := s.lease.Open(term()); err != nil {
		t.Fatal(err)
	}
	var renewals, failed atomic.Int64
	var ended atomic.Bool
	var renewing sync.WaitGroup
	renewing.Go(func() {
		for ; !ended.Load(); time.Sleep(5 * time.Millisecond) {
			if err := s.lease.Renew(term()); err != nil {
				failed.Add(1)
			}
			renewals.Add(1)
		}
	})
	lost := s.ask(20_000, 0)
	ended.Store(true)
	renewing.Wait()
	lapses, _ := s.lease.Lapses()
	t.Logf("20,000 requests over %d renewals: %d lost, %d lapses", renewals.Load(), lost, lapses)
	if lost > 0 || lapses > 0 || failed.Load() > 0 {
		t.Errorf("%d requests lost, %d lapses, %d renewals failed", lost, lapses, failed.Load())
	}
}

func countAll(t *testing.T) {
	t.Helper()
	s := bareSite(t)
	s.echo("80")
	keeper, said := s.process()
	const requests = 1_000_000
	lost := s.ask(requests, 800*time.Microsecond)
	if err := keeper.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	var renewals, lapses int
	if _, err := fmt.Fscan(said, &renewals, &lapses); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d requests over %d renewals of %s: %d lost or late, %d lapses", requests, renewals, keptLength, lost, lapses)
	if renewals < 10_000 || lost > 0 || lapses > 0 {
		t.Error("wanted at least 10,000 renewals, and nothing lost")
	}
}

// ask sends requests on connections of four kinds, and returns how many were lost: a
// packet that is lost costs UDP its answer, and TCP 200 ms at least.
func (s *site) ask(requests int64, pause time.Duration) int64 {
	s.server.t.Helper()
	var done, lost atomic.Int64
	var asking sync.WaitGroup
	for _, ip := range both(s.server.t) {
		for _, network := range []string{"tcp", "udp"} {
			conn, err := s.dial(network, ip.Address.Addr(), "80", 3*time.Second)
			if err != nil {
				s.server.t.Fatal(err)
			}
			asking.Go(func() {
				defer func() { _ = conn.Close() }()
				for done.Add(1) <= requests {
					if !s.answered(conn, network) {
						lost.Add(1)
					}
					time.Sleep(pause)
				}
			})
		}
	}
	asking.Wait()
	return lost.Load()
}

// answered reports whether a request was answered, at the first try. One that a busy
// machine holds up is answered late, but has no copies on the way.
func (s *site) answered(conn net.Conn, network string) bool {
	before := retransmitted(conn)
	if !answers(conn, 2*time.Second) {
		return false
	}
	return network != "tcp" || retransmitted(conn) == before
}

// retransmitted is how many segments of a TCP connection this side has sent again.
func retransmitted(conn net.Conn) uint32 {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0
	}
	total := uint32(0)
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.SOL_TCP, unix.TCP_INFO); err == nil {
			total = info.Total_retrans
		}
	})
	return total
}
