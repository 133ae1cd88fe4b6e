package lease

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// countName has the counted run be the whole one: 1,000,000 requests over at least
// 10,000 renewals of a lease as with a timeout of 200 ms, some four minutes.
const countName = "BATON_LEASE_COUNT"

// No request is lost to renewals: a short run with a lease that busy machines keep,
// or the whole one.
func TestNoRequestIsLostToRenewals(t *testing.T) {
	requests, length, every, pause := int64(20_000), 480*time.Millisecond, 5*time.Millisecond, time.Duration(0)
	if os.Getenv(countName) != "" {
		requests, length, every, pause = 1_000_000, 80*time.Millisecond, 20*time.Millisecond, 800*time.Microsecond
	}
	s := newSite(t)
	s.echo("80")
	s.guard()
	s.run()
	if err := s.lease.Open(Term{Longest: length, Until: bootTime() + time.Hour}); err != nil {
		t.Fatal(err)
	}
	var renewals, failed, done, lost atomic.Int64
	var ended atomic.Bool
	var renewing, asking sync.WaitGroup
	renewing.Go(func() {
		for ; !ended.Load(); time.Sleep(every) {
			if err := s.lease.Renew(Term{Longest: length, Until: bootTime() + time.Hour}); err != nil {
				failed.Add(1)
			}
			renewals.Add(1)
		}
	})
	for _, ip := range both(t) {
		for _, network := range []string{"tcp", "udp"} {
			conn, err := s.dial(network, ip.Address.Addr(), "80", 3*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			asking.Go(func() {
				defer func() { _ = conn.Close() }()
				for done.Add(1) <= requests {
					// A packet that is lost costs TCP 200 ms at least, and UDP its answer.
					begun := time.Now()
					if !answers(conn, time.Second) {
						lost.Add(1)
					} else if network == "tcp" && time.Since(begun) > 200*time.Millisecond {
						t.Logf("an answer by %s took %s", network, time.Since(begun))
					}
					time.Sleep(pause)
				}
			})
		}
	}
	asking.Wait()
	ended.Store(true)
	renewing.Wait()
	lapses, _ := s.lease.Lapses()
	t.Logf("%d requests over %d renewals of %s: %d lost, %d lapses, %d renewals failed", requests, renewals.Load(), length, lost.Load(), lapses, failed.Load())
	if lost.Load() > 0 && lapses == 0 {
		t.Errorf("%d requests lost although the lease never ran out", lost.Load())
	}
	if lapses > 0 {
		t.Errorf("the lease ran out %d times", lapses)
	}
}
