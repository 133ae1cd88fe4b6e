package lab_test

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"baton/internal/lab"
)

// dialTime is how long a connection takes to stand.
func dialTime(t *testing.T, from *lab.Host, target netip.AddrPort) time.Duration {
	t.Helper()
	began := time.Now()
	conn, err := from.DialContext(t.Context(), "tcp", target.String())
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	_ = conn.Close()
	return took
}

// Frames arrive late, whole and in order, large ones too; other faults go on.
func TestDelay(t *testing.T) {
	l := newLab(t)
	alpha, client := l.Host("alpha"), l.Host("client")
	target := door(t, alpha, alpha.Addr4())
	check(t, client, target, true)
	const by = 30 * time.Millisecond
	ok(t)(l.Delay(alpha, by))
	if took := dialTime(t, client, target); took < 2*by {
		t.Errorf("a connection stands after %s, though each way takes %s", took, by)
	}
	pour(t, l)
	ok(t)(l.Silence(alpha))
	check(t, client, target, false)
	ok(t)(l.Unsilence(alpha))
	check(t, client, target, true)
	ok(t)(l.Delay(alpha, 0))
	eventually(t, "frames are quick again", func() bool { return dialTime(t, client, target) < by })
}

// pour sends some megabytes from alpha to the client.
func pour(t *testing.T, l *lab.Lab) {
	t.Helper()
	const size = 4 << 20
	listener, err := l.Host("client").Listen(t.Context(), "tcp", netip.AddrPortFrom(l.Host("client").Addr4(), 81).String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	arrived := make(chan int64, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			arrived <- -1
			return
		}
		n, _ := io.Copy(io.Discard, conn)
		_ = conn.Close()
		arrived <- n
	}()
	conn, err := l.Host("alpha").DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Write(make([]byte, size))
	_ = conn.Close()
	if n := <-arrived; err != nil || n != size {
		t.Errorf("%d of %d bytes arrived: %v", n, size, err)
	}
}
