//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"baton/internal/pair"
)

// A stranger on the network sends everything that he can think of to the port
// that the two appliances meet on. The pair and the site go on.
func TestHostileClient(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate})
	at := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
	defer cancel()
	var attacking sync.WaitGroup
	for _, a := range w.both() {
		s := stranger{w, netip.AddrPortFrom(a.Addr4(), 443).String()}
		for _, attack := range []func(context.Context){s.garbage, s.oversized, s.slow, s.impostor} {
			attacking.Go(func() { attack(ctx) })
		}
	}
	throughout(t, "both stay what they are", 7*time.Second, func() bool {
		return w.alpha.status().Role == pair.Primary && w.beta.status().Role == pair.Backup
	})
	attacking.Wait()
	w.settled(w.alpha, w.beta)
	w.undisturbed(w.alpha, at, quietly)
	w.alpha.baton("sync --wait")
	for _, a := range w.both() {
		t.Logf("%s has %d MB resident", a.Name(), a.resident()>>20)
		if a.resident() > 80<<20 {
			t.Errorf("wanted at most 80 MB")
		}
	}
}

// stranger is somebody on the client's machine who means harm.
type stranger struct {
	w      *world
	target string
}

func (s stranger) dial(ctx context.Context) (net.Conn, error) {
	return s.w.lab.Host("client").DialContext(ctx, "tcp", s.target)
}

// repeat attacks by connections one after the other until ctx ends.
func (s stranger) repeat(ctx context.Context, attack func(net.Conn)) {
	for ctx.Err() == nil {
		conn, err := s.dial(ctx)
		if err != nil {
			rest(10 * time.Millisecond)
			continue
		}
		_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
		attack(conn)
		_ = conn.Close()
		rest(5 * time.Millisecond)
	}
}

func (s stranger) garbage(ctx context.Context) {
	s.repeat(ctx, func(conn net.Conn) {
		_, _ = io.CopyN(conn, rand.Reader, 5000)
	})
}

// oversized sends headers and a body without end.
func (s stranger) oversized(ctx context.Context) {
	s.repeat(ctx, func(conn net.Conn) {
		secure := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		_, err := fmt.Fprint(secure, "POST /api/v1/role HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n")
		for i := 0; err == nil && i < 200; i++ {
			_, err = io.WriteString(secure, strings.Repeat(`{"role":`, 1000))
		}
	})
}

// slow opens many connections and says next to nothing on them.
func (s stranger) slow(ctx context.Context) {
	var conns []net.Conn
	for range 300 {
		conn, err := s.dial(ctx)
		if err != nil {
			break
		}
		conns = append(conns, conn)
		_, _ = conn.Write([]byte{22})
	}
	<-ctx.Done()
	for _, conn := range conns {
		_ = conn.Close()
	}
}

// impostor comes with a certificate of its own and speaks the pair's protocol.
func (s stranger) impostor(ctx context.Context) {
	certificate, err := selfSigned()
	if err != nil {
		s.w.t.Error(err)
		return
	}
	s.repeat(ctx, func(conn net.Conn) {
		secure := tls.Client(conn, &tls.Config{
			InsecureSkipVerify: true, MinVersion: tls.VersionTLS13,
			Certificates: []tls.Certificate{certificate}, NextProtos: []string{"baton-peer/1"},
		})
		if _, err := io.CopyN(secure, rand.Reader, 100_000); err == nil {
			_, _ = io.Copy(io.Discard, secure)
		}
	})
}

func selfSigned() (tls.Certificate, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: private}, err
}
