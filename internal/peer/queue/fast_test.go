package queue

import (
	"io"
	"net"
	"testing"
	"time"
)

// BenchmarkFastLine sends over the loopback device, as a plain connection does, and with its queue kept short.
func BenchmarkFastLine(b *testing.B) {
	for name, kept := range map[string]bool{"plain": false, "short": true} {
		b.Run(name, func(b *testing.B) {
			listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			go func() {
				for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
					_, _ = io.Copy(io.Discard, conn)
				}
			}()
			conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", listener.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			var to io.Writer = conn
			if kept {
				to = New(conn, conn, func() time.Duration { return 200 * time.Millisecond })
			}
			some := make([]byte, record)
			b.SetBytes(record)
			for b.Loop() {
				if _, err := to.Write(some); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
