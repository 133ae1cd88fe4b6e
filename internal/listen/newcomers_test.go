package listen

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestNewcomersAreKeptOutAndLetIn has a client connect to an address from which newcomers are
// kept out: it is not let in, nor refused; one that is connected, and one that connects to
// another address of the machine, notice nothing.
func TestNewcomersAreKeptOutAndLetIn(t *testing.T) {
	for _, ip := range []struct{ shared, own string }{{"127.0.0.7", "127.0.0.1"}, {"::1", "127.0.0.1"}} {
		t.Run(ip.shared, func(t *testing.T) {
			listener, err := open(t.Context(), ":0", sitePort)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			go func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					go func() {
						buf := make([]byte, 1)
						for {
							if _, err := conn.Read(buf); err != nil {
								return
							}
							_, _ = conn.Write(buf)
						}
					}()
				}
			}()
			n := &newcomers{shared: []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr(ip.shared)}}
			n.add(listener)
			_, port, _ := net.SplitHostPort(listener.Addr().String())
			dial := func(host string) (net.Conn, error) {
				return net.DialTimeout("tcp", net.JoinHostPort(host, port), 300*time.Millisecond)
			}
			before, err := dial(ip.shared)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = before.Close() }()
			if err := n.keepOut(t.Context()); err != nil {
				t.Fatal(err)
			}
			if conn, err := dial(ip.shared); err == nil {
				_ = conn.Close()
				t.Error("a newcomer is let in")
			} else if timeout, is := errors.AsType[net.Error](err); !is || !timeout.Timeout() {
				t.Errorf("a newcomer is told %v, want silence", err)
			}
			if conn, err := dial(ip.own); err != nil {
				t.Errorf("another address: %v", err)
			} else {
				_ = conn.Close()
			}
			buf := make([]byte, 1)
			_ = before.SetDeadline(time.Now().Add(time.Second))
			if _, err := before.Write([]byte("x")); err != nil {
				t.Error(err)
			}
			if _, err := before.Read(buf); err != nil {
				t.Errorf("who was connected before: %v", err)
			}
			n.letIn()
			if conn, err := dial(ip.shared); err != nil {
				t.Errorf("let in again: %v", err)
			} else {
				_ = conn.Close()
			}
		})
	}
}
