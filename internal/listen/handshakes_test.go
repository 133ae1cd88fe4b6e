package listen

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"testing"
	"time"

	"baton/internal/certificate"
)

// TestThePeerDoesNotWaitForTheHandshakesOfStrangers has one stranger's handshake last.
func TestThePeerDoesNotWaitForTheHandshakesOfStrangers(t *testing.T) {
	made, err := certificate.SelfSigned(certificate.Hosts{Names: []string{"a.example"}}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = inner.Close() }()
	admission := newAdmission(func(from netip.Addr) bool { return from.String() == "127.0.0.2" })
	pace := newHandshakes()
	config := pace.pace(&tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{made.TLS()}})
	go func() {
		listener := admission.guard(inner)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _ = tls.Server(conn, config).HandshakeContext(context.Background()) }()
		}
	}()
	shake := func(from string) error {
		dialer := tls.Dialer{NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}, Config: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}}
		conn, err := dialer.DialContext(t.Context(), "tcp", inner.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	pace.turn <- struct{}{} // a stranger's, which lasts
	stranger := make(chan error, 1)
	go func() { stranger <- shake("127.0.0.1") }()
	if err := shake("127.0.0.2"); err != nil {
		t.Errorf("the peer: %v", err)
	}
	select {
	case err := <-stranger:
		t.Errorf("another stranger did not wait: %v", err)
	default:
	}
	<-pace.turn
	if err := <-stranger; err != nil {
		t.Errorf("once it was its turn: %v", err)
	}
	for range 3 { // the turn was given back each time
		if err := shake("127.0.0.1"); err != nil {
			t.Error(err)
		}
	}
}
