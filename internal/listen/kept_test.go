package listen

import (
	"context"
	"fmt"
	"net"
	"testing"

	"baton/internal/config"
)

// The next process has its addresses, also if the one before listened on all of the port.
func TestAnInheritedListenerIsNotInTheWay(t *testing.T) {
	for before, now := range map[string]string{":0": "127.0.0.1:%d", "127.0.0.1:0": ":%d", "127.0.0.2:0": "127.0.0.2:%d"} {
		old, err := open(t.Context(), before, consolePort)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := keep([]net.Listener{old})
		if err != nil {
			t.Fatal(err)
		}
		address := fmt.Sprintf(now, old.Addr().(*net.TCPAddr).Port)
		_ = old.Close()
		l := Listeners{Config: config.Config{Listen: []string{address}}, Inherited: &Inherited{files: kept}, Doors: Doors{newcomers: new(newcomers)}}
		l.Inherited.keepOnly(l.Config.Addresses())
		listener, err := l.open(t.Context(), address, consolePort)
		if err != nil {
			t.Errorf("%s after %s: %v", address, before, err)
			continue
		}
		l.Inherited.Close()
		if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String()); err != nil {
			t.Error(err)
		} else {
			_ = conn.Close()
		}
		_ = listener.Close()
	}
}

// A reload is refused before it is too late.
func TestAnAddressOfAnotherProgramIsFoundBeforehand(t *testing.T) {
	other, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	now := config.Config{Listen: []string{"127.0.0.1:1"}}
	next := config.Config{Listen: []string{"127.0.0.1:1", other.Addr().String()}}
	if err := FreeBeside(context.Background(), now, next); err == nil {
		t.Error("another program has it")
	}
	if err := FreeBeside(context.Background(), next, next); err != nil {
		t.Errorf("what this daemon has is its own: %v", err)
	}
}
