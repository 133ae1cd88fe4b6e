package lab_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab"
)

// newDiskLab makes a lab whose alpha has a disk of its own.
func newDiskLab(t *testing.T, with lab.FileSystem) *lab.Lab {
	t.Helper()
	hosts := lab.Cast()[:2]
	hosts[0].Disk, hosts[0].FileSystem = 512<<20, with
	l, err := lab.New(t.Context(), lab.Options{Dir: t.TempDir(), Hosts: hosts})
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) || errors.Is(err, exec.ErrNotFound) {
		t.Skip("no disk of its own can be had here: ", err)
	}
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

func put(t *testing.T, h *lab.Host, name string, durable bool) {
	t.Helper()
	file, err := os.Create(filepath.Join(h.Dir(), name))
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteString("content\n")
	if durable {
		err = errors.Join(err, file.Sync())
	}
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
}

func content(h *lab.Host, name string) string {
	text, err := os.ReadFile(filepath.Join(h.Dir(), name))
	if err != nil {
		return ""
	}
	return string(text)
}

// What was not made durable is lost by a power cut, and nothing else.
func TestPowerCutLosesWhatWasNotDurable(t *testing.T) {
	for _, with := range []lab.FileSystem{lab.Ext4, lab.XFS} {
		t.Run(string(with), func(t *testing.T) { losesWhatWasNotDurable(t, newDiskLab(t, with)) })
	}
}

func losesWhatWasNotDurable(t *testing.T, l *lab.Lab) {
	t.Helper()
	alpha := l.Host("alpha")
	for range 3 {
		put(t, alpha, "durable", true)
		put(t, alpha, "dirty", false)
		ok(t)(l.PowerCut(alpha))
		if content(alpha, "durable") != "" {
			t.Error("the disk can be read while the host is off")
		}
		ok(t)(l.PowerOn(alpha))
		if got := content(alpha, "durable"); got != "content\n" {
			t.Errorf("a file made durable has %q", got)
		}
		if got := content(alpha, "dirty"); got != "" {
			t.Errorf("a dirty file has %q", got)
		}
	}
}

// A program on the host finds its disk where Lab.Disk says, with what this process put there.
func TestProgramsSeeTheDisk(t *testing.T) {
	l := newDiskLab(t, lab.Ext4)
	put(t, l.Host("alpha"), "file", false)
	put(t, l.Host("beta"), "other", false)
	for host, name := range map[string]string{"alpha": "file", "beta": "other"} {
		out, err := l.Host(host).Output(t.Context(), lab.Cmd{Path: "/bin/cat", Args: []string{filepath.Join(l.Disk(), name)}})
		if err != nil || string(out) != "content\n" {
			t.Errorf("%s: %q, %v", host, out, err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	l := newDiskLab(t, lab.Ext4)
	alpha := l.Host("alpha")
	full := func() bool {
		more := filepath.Join(alpha.Dir(), "more")
		defer func() { _ = os.Remove(more) }()
		return errors.Is(os.WriteFile(more, make([]byte, 1<<16), 0o600), unix.ENOSPC)
	}
	if full() {
		t.Fatal("an empty disk is full")
	}
	ok(t)(l.Fill(alpha))
	if !full() {
		t.Error("a full disk has room")
	}
	ok(t)(l.Drain(alpha))
	if full() {
		t.Error("a drained disk is full")
	}
	if _, err := l.Fill(l.Host("beta")); err == nil {
		t.Error("the machine's own disk can be filled")
	}
}

// Two that lose each other's polls alone go on hearing everything else.
func TestLosePolls(t *testing.T) {
	l := newLab(t)
	alpha, beta := l.Host("alpha"), l.Host("beta")
	target := door(t, alpha, alpha.Addr4())
	ok(t)(l.LosePolls(alpha, beta))
	check(t, beta, target, false)
	check(t, l.Host("client"), target, true)
	if err := beta.Do(func() error { return sendUDP(alpha.Addr4()) }); err != nil {
		t.Error("datagrams are lost as well: ", err)
	}
	ok(t)(l.Reconnect(alpha, beta))
	check(t, beta, target, true)
}

func TestFlushAddress(t *testing.T) {
	l := newLab(t)
	alpha := l.Host("alpha")
	for range 2 {
		ok(t)(l.FlushAddress(alpha, alpha.Addr4()))
		now, err := alpha.Addresses()
		if err != nil || slices.Contains(now, alpha.Addr4()) || !slices.Contains(now, alpha.Addr6()) {
			t.Fatalf("addresses: %v, %v", now, err)
		}
	}
}

// sendUDP sends to a closed port until the refusal comes back.
func sendUDP(ip netip.Addr) error {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 9)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for range 100 {
		if _, err := conn.Write([]byte{0}); errors.Is(err, unix.ECONNREFUSED) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("no answer")
}
