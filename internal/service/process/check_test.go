package process

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/cgroup"
	"baton/internal/service"
)

func TestChecks(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	r := m.Runner(func() service.Definition {
		of := command("web", "/bin/true")
		of.Command.User = "nobody"
		return of
	}())
	for line, want := range map[string]string{
		"test $(id -un) = nobody":                      "",
		"echo first; echo the disk is full >&2; false": "the check echo first; echo the disk is full >&2; false ends with exit code 1: the disk is full",
		"kill -KILL $$":                                "the check kill -KILL $$ is ended by signal 9",
		"setsid sleep 1000 & exit 0":                   "",
		"echo waits; sleep 1000":                       "the check echo waits; sleep 1000 does not end within 300ms: waits",
		"trap '' TERM; setsid sleep 1000; sleep 1000":  "the check trap '' TERM; setsid sleep 1000; sleep 1000 does not end within 300ms",
		"head -c 100000000 /dev/zero; echo; false":     "",
	} {
		within := 300 * time.Millisecond
		if !strings.Contains(line, "sleep 1000") || strings.Contains(line, "exit 0") {
			within = 20 * time.Second
		}
		err := r.Try(t.Context(), line, within)
		switch {
		case strings.HasPrefix(line, "head"):
			if err == nil || len(err.Error()) > 500 {
				t.Errorf("%s: %v", line, err)
			}
		case want == "" && err != nil, want != "" && (err == nil || err.Error() != want):
			t.Errorf("%s: %v, want %q", line, err, want)
		}
		if left := m.group.Processes(); len(left) > 0 {
			t.Errorf("%s: %v are left", line, left)
		}
	}
	if len(m.runs) > 0 { // each has a name of its own
		t.Errorf("%d checks are remembered", len(m.runs))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := r.Try(ctx, "sleep 1000", time.Hour); !errors.Is(err, context.DeadlineExceeded) || len(m.group.Processes()) > 0 {
		t.Errorf("%v", err)
	}
}

// A machine without control groups says what to do.
func TestAMachineWithoutControlGroups(t *testing.T) {
	t.Parallel()
	newMachine(t) // or this is skipped
	self, err := os.Executable()
	must(t, err)
	for how, want := range map[string]string{
		"away":      "this machine runs neither systemd nor control groups of version 2: run mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified, also at each boot",
		"read-only": "the control groups of this machine, " + cgroup.Root() + ", cannot be written: mount them for writing, in a container as well",
	} {
		cmd := exec.Command(self, "lacks", how)
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
		got, err := cmd.Output()
		if err != nil || string(got) != want+"<nil>" {
			t.Errorf("%s: %s, %v", how, got, err)
		}
	}
}

// A service that prints and prints has a log of bounded length, of which the end can be read.
func TestALogIsBounded(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	of := shell("web", `yes $(printf %0990d 0) | head -c 1000000000; echo; echo error >&2; printf '\033[31mthe end'; exec sleep 1000`)
	must(t, m.Runner(of).Start(t.Context()))
	ends := func() bool {
		lines, err := m.Log(t.Context(), of, 2)
		must(t, err)
		return len(lines) == 2 && lines[0].Text == "error" && lines[1].Text == "the end"
	}
	eventually(t, "the end can be read", ends)
	eventually(t, "the log is short", func() bool {
		var stat unix.Stat_t
		must(t, unix.Stat(m.family("web").log.path, &stat))
		return room(stat) <= mostRoom
	})
	if !ends() {
		t.Error("the end is gone")
	}
	must(t, m.Stop(t.Context(), of))
	must(t, m.Runner(command("web", "/bin/true")).Start(t.Context())) // with what it had, in a file of that length
	if info, err := os.Stat(m.family("web").log.path); err != nil || info.Size() > mostRoom || !ends() {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	if lines, err := m.Log(t.Context(), of, 500); err != nil || len(lines) != 500 {
		t.Errorf("%d lines, %v", len(lines), err)
	}
	must(t, m.Stop(t.Context(), of))
	must(t, os.RemoveAll(m.logs))
	must(t, os.WriteFile(m.logs, nil, 0o600)) // as on a full disk
	must(t, m.Runner(of).Start(t.Context()))
	must(t, os.Remove(m.logs))
	if lines, err := m.Log(t.Context(), command("other"), 10); err != nil || lines == nil || len(lines) != 0 {
		t.Errorf("a service that has written nothing: %v, %v", lines, err)
	}
}
