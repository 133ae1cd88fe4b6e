//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// TestTakeoverInAFloodOfSignIns has strangers sign in at the backup, each try on a
// connection of its own, while its primary loses its power.
func TestTakeoverInAFloodOfSignIns(t *testing.T) {
	full(t)
	bestOf(t, moderate+time.Second, plan{timeout: moderate}, func(w *world) time.Duration {
		ctx, stop := context.WithCancel(t.Context())
		var flood sync.WaitGroup
		defer flood.Wait()
		defer stop()
		s := stranger{w, netip.AddrPortFrom(w.beta.Addr4(), 443).String()}
		for range 100 {
			flood.Go(func() { s.signIns(ctx) })
		}
		rest(2 * time.Second)
		w.settled(w.alpha, w.beta)
		at := w.fault(w.lab.PowerCut(w.alpha.Host))
		return w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	})
}

func (s stranger) signIns(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := s.dial(ctx)
		if err != nil {
			rest(10 * time.Millisecond)
			continue
		}
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		const form = "name=admin&password=wrong"
		if _, err := fmt.Fprintf(secure, "POST /login HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", s.target, len(form), form); err == nil {
			_, _ = io.Copy(io.Discard, secure)
		}
		_ = conn.Close()
	}
}
