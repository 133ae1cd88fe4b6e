package process

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A service can reserve room for its log beyond the end of the file: it holds the file open.
func TestALogThatReservesRoom(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	self, err := os.Executable()
	must(t, err)
	of := command("web", self, "reserve", "64")
	must(t, m.Runner(of).Start(t.Context()))
	f := m.family("web")
	eventually(t, "it has reserved room", func() bool {
		lines, _ := m.Log(t.Context(), of, 1)
		return len(lines) == 1 && lines[0].Text == "reserved"
	})
	eventually(t, "the room is given back", func() bool {
		var stat unix.Stat_t
		must(t, unix.Stat(f.log.path, &stat))
		return room(stat) <= mostRoom
	})
}

// A program of another user that was handed the log holds it open after the service has ended.
func TestALogThatIsWrittenAfterTheStop(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	r := m.Runner(command("web", "/bin/sleep", "1000"))
	must(t, r.Start(t.Context()))
	must(t, r.Stop(t.Context()))
	f := m.family("web")
	must(t, os.WriteFile(f.log.path, make([]byte, 2*mostRoom), 0o600))
	eventually(t, "the room is given back", func() bool {
		stateOf(t, r) // as the keeper looks
		var stat unix.Stat_t
		must(t, unix.Stat(f.log.path, &stat))
		return room(stat) <= mostRoom
	})
}

// What a check of a daemon that was killed has left is ended before the next check, which would fail for ever.
func TestACheckOfAKilledDaemon(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	group := m.check("web").group
	must(t, group.Make())
	left := exec.Command("/bin/sleep", "1000")
	must(t, left.Start())
	defer left.Wait() //nolint:errcheck // it is killed
	must(t, os.WriteFile(filepath.Join(group.Dir(), "cgroup.procs"), fmt.Append(nil, left.Process.Pid), 0))
	if err := m.Runner(command("web", "/bin/true")).Try(t.Context(), "true", 20*time.Second); err != nil {
		t.Error(err)
		_ = left.Process.Kill()
	}
}

// A directory on a disk that hangs keeps neither a check nor a start beyond its time: what waits for it cannot be killed.
func TestADirectoryThatHangs(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	of := command("web", "/bin/true")
	of.Command.Dir = hangingDirectory(t)
	r := m.Runner(of)
	if err := inTime(t, func() error { return r.Try(t.Context(), "true", 300*time.Millisecond) }); err == nil || err.Error() != "the check true does not end within 300ms" {
		t.Errorf("the check: %v", err)
	}
	for what, act := range map[string]func(ctx context.Context) error{
		"a check": func(ctx context.Context) error { return r.Try(ctx, "true", time.Hour) },
		"a start": r.Start,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := inTime(t, func() error { return act(ctx) })
		if what == "a start" && !errors.Is(err, context.DeadlineExceeded) || err == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, is := errors.AsType[*LeftError](r.Stop(t.Context())); !is || !stateOf(t, r).Runs {
		t.Error("what cannot be killed is not seen")
	}
}

func inTime(t *testing.T, act func() error) error {
	t.Helper()
	const within = 30 * time.Second
	done := make(chan error, 1)
	go func() { done <- act() }()
	select {
	case err := <-done:
		return err
	case <-time.After(within):
		return fmt.Errorf("not within %s", within)
	}
}

// hangingDirectory is one of a file system that takes requests and answers none: who enters it cannot be killed until the test ends.
func hangingDirectory(t *testing.T) string {
	t.Helper()
	device, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip("skipped: this machine has no file systems of programs:", err)
	}
	dir := t.TempDir()
	if err := unix.Mount("hangs", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", device)); err != nil {
		t.Skip("skipped: no file system can be mounted:", err)
	}
	t.Cleanup(func() {
		_ = unix.Unmount(dir, unix.MNT_DETACH|unix.MNT_FORCE) // those who wait get an error
		_ = unix.Close(device)
	})
	go func() {
		const initialize, header, answer = 26, 40, 16 + 64 // of linux/fuse.h
		for request := make([]byte, 1<<20); ; {
			n, err := unix.Read(device, request)
			if err != nil || n < header {
				return
			}
			if binary.NativeEndian.Uint32(request[4:]) != initialize {
				continue
			}
			to := make([]byte, answer)
			binary.NativeEndian.PutUint32(to, answer)
			copy(to[8:16], request[8:16])
			binary.NativeEndian.PutUint32(to[16:], 7)
			binary.NativeEndian.PutUint32(to[20:], 31)
			binary.NativeEndian.PutUint32(to[36:], 4096)
			_, _ = unix.Write(device, to)
		}
	}()
	return dir
}

// Keys that the daemon can use, as those of an encrypted disk, are not for its services.
func TestNoKeysOfTheDaemon(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	self, err := os.Executable()
	must(t, err)
	of := command("web", self, "key", "found")
	runtime.LockOSThread() // it is not unlocked: the thread goes, and with it the keys
	if _, err := unix.KeyctlJoinSessionKeyring("baton-test"); err != nil {
		t.Skip("skipped: this machine keeps no keys:", err)
	}
	_, err = unix.AddKey("user", "baton-test", []byte("secret"), unix.KEY_SPEC_SESSION_KEYRING)
	must(t, err)
	must(t, m.Runner(of).Start(t.Context()))
	eventually(t, "it has looked", func() bool { lines, _ := m.Log(t.Context(), of, 1); return len(lines) == 1 })
	if lines, _ := m.Log(t.Context(), of, 1); lines[0].Text != "no key" {
		t.Error(lines[0].Text)
	}
}
