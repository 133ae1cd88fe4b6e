package lab_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baton/internal/lab"
)

func newLab(t *testing.T) *lab.Lab {
	t.Helper()
	l, err := lab.New(t.Context(), lab.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func ok(t *testing.T) func(time.Time, error) {
	t.Helper()
	return func(_ time.Time, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// door opens a listener on the host that accepts and hangs up.
func door(t *testing.T, h *lab.Host, ip netip.Addr) netip.AddrPort {
	t.Helper()
	listener, err := h.Listen(t.Context(), "tcp", netip.AddrPortFrom(ip, 80).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	return netip.AddrPortFrom(ip, 80)
}

func reaches(from *lab.Host, target netip.AddrPort) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	conn, err := from.DialContext(ctx, "tcp", target.String())
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

func TestHostsReachOneAnotherByBothFamilies(t *testing.T) {
	l := newLab(t)
	for _, to := range l.Hosts() {
		for _, ip := range []netip.Addr{to.Addr4(), to.Addr6()} {
			target := door(t, to, ip)
			for _, from := range l.Hosts() {
				check(t, from, target, true)
			}
		}
	}
}

func TestHostsHaveNoWayOut(t *testing.T) {
	l := newLab(t)
	err := l.Host("client").Do(func() error {
		_, err := net.DialTimeout("tcp", "203.0.113.1:80", 100*time.Millisecond)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("a far address: %v, want network unreachable", err)
	}
}

func TestDialSaysWhyItFailed(t *testing.T) {
	l := newLab(t)
	client := l.Host("client")
	_, err := client.DialContext(t.Context(), "tcp", "198.51.100.1:81")
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("closed port: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client.DialContext(ctx, "tcp", "198.51.100.77:80"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nobody there: %v", err)
	}
}

func TestFaultsBetweenHosts(t *testing.T) {
	l := newLab(t)
	alpha, beta, client := l.Host("alpha"), l.Host("beta"), l.Host("client")
	atAlpha, atBeta := door(t, alpha, alpha.Addr4()), door(t, beta, beta.Addr4())
	tests := []struct {
		name              string
		fault             func() (time.Time, error)
		carrier           bool // at alpha
		toAlpha, betaToo  bool // from the client, from beta
		alphaToBeta, heal bool
	}{
		{"cable", func() (time.Time, error) { return l.CutCable(alpha) }, false, false, false, false, false},
		{"plug", func() (time.Time, error) { return l.PlugCable(alpha) }, true, true, true, true, false},
		{"silence", func() (time.Time, error) { return l.Silence(alpha) }, true, false, false, false, false},
		{"unsilence", func() (time.Time, error) { return l.Unsilence(alpha) }, true, true, true, true, false},
		{"partition", func() (time.Time, error) { return l.Partition(alpha, beta) }, true, true, false, false, true},
		{"one way", func() (time.Time, error) { return l.OneWay(alpha, client) }, true, false, true, true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ok(t)(test.fault())
			eventually(t, "the carrier follows", func() bool {
				carrier, err := alpha.Carrier()
				return err == nil && carrier == test.carrier
			})
			check(t, client, atAlpha, test.toAlpha)
			check(t, beta, atAlpha, test.betaToo)
			check(t, alpha, atBeta, test.alphaToBeta)
			if test.heal {
				ok(t)(l.Heal())
				check(t, client, atAlpha, true)
				check(t, beta, atAlpha, true)
			}
		})
	}
}

// check wants the target reached or not. A kernel that has asked in vain for a
// hardware address asks again only after a second, so the way back takes time.
func check(t *testing.T, from *lab.Host, target netip.AddrPort, want bool) {
	t.Helper()
	switch {
	case want:
		eventually(t, from.Name()+" reaches "+target.String(), func() bool { return reaches(from, target) })
	case reaches(from, target):
		t.Errorf("%s reaches %s", from.Name(), target)
	}
}

func TestFaultTakesEffectWithinMilliseconds(t *testing.T) {
	l := newLab(t)
	alpha := l.Host("alpha")
	for range 5 {
		before := time.Now()
		at, err := l.CutCable(alpha)
		ok(t)(at, err)
		if carrier, err := alpha.Carrier(); err != nil || carrier {
			t.Errorf("carrier %t after the call (%v)", carrier, err)
		}
		if at.Before(before) {
			t.Error("the instant lies before the call")
		}
		t.Logf("cable out after %s", time.Since(at))
		ok(t)(l.PlugCable(alpha))
	}
}

func TestLossDropsAShareOfTheFrames(t *testing.T) {
	l := newLab(t)
	alpha, client := l.Host("alpha"), l.Host("client")
	const sent = 200 // fits the receiver's buffer
	count := func() int {
		received := 0
		err := alpha.Do(func() error {
			conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "198.51.100.1:9")
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			if err := client.Do(func() error { return sendDatagrams(t.Context(), "198.51.100.1:9", sent) }); err != nil {
				return err
			}
			for buffer := make([]byte, 8); ; received++ {
				_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
				if _, _, err := conn.ReadFrom(buffer); err != nil {
					return nil
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return received
	}
	if got := count(); got != sent {
		t.Errorf("without loss %d of %d arrive", got, sent)
	}
	ok(t)(l.Loss(alpha, 50))
	if got := count(); got < sent/4 || got > 3*sent/4 {
		t.Errorf("at 50 percent loss %d of %d arrive", got, sent)
	}
	ok(t)(l.Loss(alpha, 0))
	if got := count(); got != sent {
		t.Errorf("after the loss %d of %d arrive", got, sent)
	}
}

func sendDatagrams(ctx context.Context, to string, n int) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", to)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for range n {
		if _, err := conn.Write([]byte("x")); err != nil {
			return err
		}
	}
	return nil
}

func TestDirectoryHoldsTheHosts(t *testing.T) {
	l := newLab(t)
	for _, h := range l.Hosts() {
		if info, err := os.Stat(h.Dir()); err != nil || !info.IsDir() || filepath.Dir(h.Dir()) != l.Dir() {
			t.Errorf("%s: %s: %v", h.Name(), h.Dir(), err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(l.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
}
