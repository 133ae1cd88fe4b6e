package listen

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func smallAdmission(peer string) *admission {
	c := newAdmission(func(from netip.Addr) bool { return from.String() == peer })
	c.most, c.mostEach, c.mostPeer = 5, 3, 2
	return c
}

func TestAdmissionLeavesRoomForOthersAndForThePeer(t *testing.T) {
	c := smallAdmission("198.51.100.2")
	enter := func(from string) (func(), bool) { return c.admit(netip.MustParseAddr(from)) }
	var leave func()
	for i, want := range []bool{true, true, true, false} {
		left, entered := enter("2001:db8::" + string(rune('1'+i)))
		if entered != want {
			t.Fatalf("connection %d of one network: %v", i+1, entered)
		}
		if entered {
			leave = left
		}
	}
	for i, want := range []bool{true, true, false} {
		if _, entered := enter("198.51.100." + string(rune('7'+i))); entered != want {
			t.Fatalf("connection %d of others: %v", i+1, entered)
		}
	}
	for i, want := range []bool{true, true, false} {
		if _, entered := enter("198.51.100.2"); entered != want {
			t.Fatalf("connection %d of the peer: %v", i+1, entered)
		}
	}
	leave()
	if _, entered := enter("198.51.100.9"); !entered {
		t.Fatal("a place that was left stays taken")
	}
}

func TestGuardedListenerClosesWhomItCannotTake(t *testing.T) {
	inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := smallAdmission("").guard(inner)
	accepted := make(chan net.Conn, 10)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- conn
		}
	}()
	dial := func() {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	var taken []net.Conn
	for range 3 {
		dial()
		taken = append(taken, <-accepted)
	}
	refused, err := new(net.Dialer).DialContext(t.Context(), "tcp", inner.Addr().String())
	if err == nil { // else it was closed before the dialler had it
		_ = refused.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err = refused.Read(make([]byte, 1))
		_ = refused.Close()
	}
	if err == nil || isTimeout(err) {
		t.Fatalf("the fourth was not closed: %v", err)
	}
	for range 2 { // closing twice gives back one place
		_ = taken[0].Close()
	}
	dial()
	<-accepted
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if _, more := <-accepted; more {
		t.Fatal("more were taken than there are places")
	}
}

func TestAClientThatTakesNothingIsCutOff(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "large"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	const large = 1 << 30
	if err := file.Truncate(large); err != nil {
		t.Fatal(err)
	}
	for name, send := range map[string]func(net.Conn) error{
		"written": func(conn net.Conn) error { _, err := conn.Write(make([]byte, 16<<10)); return err },
		"a file":  func(conn net.Conn) error { _, err := io.Copy(conn, io.LimitReader(file, large)); return err },
	} {
		t.Run(name, func(t *testing.T) {
			inner, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = inner.Close() })
			c := smallAdmission("")
			c.patience = 50 * time.Millisecond
			silent, err := new(net.Dialer).DialContext(t.Context(), "tcp", inner.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = silent.Close() })
			conn, err := c.guard(inner).Accept()
			if err != nil {
				t.Fatal(err)
			}
			for err == nil { // until the kernel takes no more
				err = send(conn)
			}
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v", err)
			}
			_ = conn.Close() // as the server does then
			c.mu.Lock()
			defer c.mu.Unlock()
			if c.all != 0 {
				t.Errorf("%d places are still taken", c.all)
			}
		})
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // as it came
	return ok && timeout.Timeout()
}
