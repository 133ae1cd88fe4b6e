package systemd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"baton/internal/cgroup"
)

// hung is a systemd that answers nothing.
func hung(t *testing.T) *Manager {
	t.Helper()
	dialled := 0
	conn, err := dbus.NewConnection(func() (*godbus.Conn, error) {
		ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return nil, err
		}
		other, own := os.NewFile(uintptr(ends[0]), "systemd"), os.NewFile(uintptr(ends[1]), "baton")
		t.Cleanup(func() { _ = other.Close() })
		stream, err := net.FileConn(own)
		if err != nil {
			return nil, err
		}
		conn, err := godbus.NewConn(stream)
		if dialled++; dialled > 1 && err == nil { // that of the signals, for which nobody waits here
			err = conn.Close()
		}
		return conn, err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return &Manager{conn: conn}
}

// What cannot be killed, as systemd does not answer, is told in bounded time.
func TestAKillIsBoundedThoughSystemdHangs(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(cgroup.Root(), fmt.Sprintf("try-hang-%d", os.Getpid()))
	if err := os.Mkdir(dir, 0o755); cgroup.Root() == "" || err != nil {
		t.Skipf("skipped: no control group can be made: %v", err)
	}
	sleep := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = sleep.Process.Kill()
		_ = sleep.Wait()
		_ = os.Remove(dir)
	})
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(sleep.Process.Pid)), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	err := hung(t).verify(context.Background(), "web.service", cgroup.Group("/"+filepath.Base(dir)), nil)
	if left, is := errors.AsType[*StopError](err); !is || len(left.Processes) == 0 || time.Since(began) > 2*answerWithin+killed {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}
