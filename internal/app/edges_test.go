package app

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/pair"
)

// A primary that stands still is ended when its backup takes over, any other appliance later.
func TestTheWatchdogIsAsFastAsTheBackup(t *testing.T) {
	at := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = systemd.Close() }()
	t.Setenv("NOTIFY_SOCKET", at)
	t.Setenv("WATCHDOG_USEC", "10000000")
	told := func() string {
		text := make([]byte, 100)
		_ = systemd.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		n, _ := systemd.Read(text)
		return string(text[:n])
	}
	var d agent.Decision
	d.Config.Timeout = 3 * time.Second
	beat := newBeat(func() agent.Decision { return d })
	serves := func(eligible bool) {
		d.State.Record.Role, d.State.Door, d.State.Peer.Eligible = pair.Primary, failover.Open, eligible
	}
	for i, c := range []struct {
		change func()
		want   string
	}{
		{func() {}, "WATCHDOG=1"},
		{func() {}, ""}, // too soon
		{func() { serves(false) }, ""},
		{func() { serves(true) }, "WATCHDOG_USEC=3000000\nWATCHDOG=1"},
		{func() { d.Config.Timeout = pair.MinTimeout }, "WATCHDOG_USEC=1000000\nWATCHDOG=1"},
		{func() { time.Sleep(110 * time.Millisecond) }, "WATCHDOG=1"},
		{func() { d.Config.Timeout = time.Hour }, "WATCHDOG_USEC=10000000\nWATCHDOG=1"},
	} {
		c.change()
		beat()
		if got := told(); got != c.want {
			t.Errorf("%d: systemd is told %q, and not %q", i, got, c.want)
		}
	}

	// A systemd that is replaced listens anew: nothing is lost.
	_ = systemd.Close()
	_ = os.Remove(at)
	if systemd, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: at, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	d.Config.Timeout = 3 * time.Second
	beat()
	if got := told(); got != "WATCHDOG_USEC=3000000\nWATCHDOG=1" {
		t.Errorf("a new systemd is told %q", got)
	}
}
