package lab_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"baton/internal/lab"
)

// state is the letter that /proc shows for a process; empty if it is gone.
func state(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	letter := string(stat[strings.LastIndexByte(string(stat), ')')+2:][:1])
	if letter == "Z" {
		return ""
	}
	return letter
}

// family starts a shell that starts a child, and returns both process ids.
func family(t *testing.T, h *lab.Host) (parent *lab.Process, child int) {
	t.Helper()
	file := filepath.Join(h.Dir(), "child")
	parent, err := h.Start(t.Context(), lab.Cmd{
		Path: "/bin/sh", Args: []string{"-c", `sleep 1000 & echo $! >tmp && mv tmp "$CHILD"; wait`}, Env: []string{"CHILD=" + file},
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child runs", func() bool {
		text, err := os.ReadFile(file)
		child, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil && child > 0
	})
	return parent, child
}

func TestPowerCutKillsAllAndForgetsTheKernel(t *testing.T) {
	l := newLab(t)
	alpha, client := l.Host("alpha"), l.Host("client")
	target := door(t, alpha, alpha.Addr4())
	parent, child := family(t, alpha)
	check(t, client, target, true)
	ok(t)(l.PowerCut(alpha))
	if state(parent.PID()) != "" || state(child) != "" {
		t.Error("a process outlived the power cut")
	}
	if owners, err := l.Owners(alpha.Addr4()); err != nil || len(owners) != 0 {
		t.Errorf("address held by %v, %v", owners, err)
	}
	if _, err := alpha.Start(t.Context(), lab.Cmd{Path: "/bin/true"}); !errors.Is(err, lab.ErrOff) {
		t.Errorf("start while off: %v", err)
	}
	ok(t)(l.PowerOn(alpha))
	check(t, client, door(t, alpha, alpha.Addr4()), true)
	if _, err := os.Stat(filepath.Join(alpha.Dir(), "child")); err != nil {
		t.Errorf("the disk was lost: %v", err)
	}
}

func TestPauseStopsTheWholeHost(t *testing.T) {
	l := newLab(t)
	alpha := l.Host("alpha")
	parent, child := family(t, alpha)
	ok(t)(l.Pause(alpha))
	eventually(t, "both stand still", func() bool { return state(parent.PID()) == "T" && state(child) == "T" })
	ok(t)(l.Resume(alpha))
	eventually(t, "both go on", func() bool { return state(parent.PID()) == "S" && state(child) == "S" })
}

func TestProcessIsInItsHostAndEndsAsAsked(t *testing.T) {
	l := newLab(t)
	out, err := l.Host("beta").Output(t.Context(), lab.Cmd{Path: "/bin/cat", Args: []string{"/proc/net/if_inet6"}})
	if err != nil || !strings.Contains(string(out), "20010db8000000000000000000000002") {
		t.Errorf("beta's addresses: %s, %v", out, err)
	}
	_, err = l.Host("beta").Output(t.Context(), lab.Cmd{Path: "/bin/sh", Args: []string{"-c", "echo why >&2; exit 3"}})
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.HasPrefix(err.Error(), "why") {
		t.Errorf("exit 3: %v", err)
	}
	p, err := l.Host("beta").Start(t.Context(), lab.Cmd{Path: "/bin/sh", Args: []string{"-c", "trap '' TERM; sleep 1000 & wait"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(20 * time.Millisecond); err == nil {
		t.Error("a killed process ended well")
	}
}

// TestKilledLabLeavesNothing kills a process that holds a lab, and looks what
// the next lab finds.
func TestKilledLabLeavesNothing(t *testing.T) {
	if os.Getenv("LAB_VICTIM") != "" {
		holdLab(t, os.Getenv("LAB_VICTIM"))
	}
	base := t.TempDir()
	victim := exec.Command(os.Args[0], "-test.run=^TestKilledLabLeavesNothing$")
	victim.Env = append(os.Environ(), "LAB_VICTIM="+base)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var dir string
	var parent, child int
	if n, _ := fmt.Sscan(line, &dir, &parent, &child); n != 3 {
		t.Fatalf("the victim says %q, %v", line, err)
	}
	if err := victim.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait()
	eventually(t, "its program ends with it", func() bool { return state(parent) == "" })
	if state(child) == "" {
		t.Error("the grandchild is gone already: the sweep is not tested")
	}
	l, err := lab.New(t.Context(), lab.Options{Dir: base, Hosts: []lab.HostSpec{}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	eventually(t, "the next lab ends the grandchild", func() bool { return state(child) == "" })
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
}

// holdLab is the victim's part.
func holdLab(t *testing.T, base string) {
	t.Helper()
	l, err := lab.New(t.Context(), lab.Options{Dir: base})
	if err != nil {
		t.Fatal(err)
	}
	parent, child := family(t, l.Host("alpha"))
	fmt.Println(l.Dir(), parent.PID(), child)
	time.Sleep(time.Minute)
}

func TestSweepSparesLiveLabs(t *testing.T) {
	base := t.TempDir()
	first, err := lab.New(t.Context(), lab.Options{Dir: base})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	parent, child := family(t, first.Host("alpha"))
	second, err := lab.New(t.Context(), lab.Options{Dir: base, Prefix: "other"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	if state(parent.PID()) == "" || state(child) == "" {
		t.Error("a live lab was swept")
	}
	if _, err := os.Stat(first.Dir()); err != nil {
		t.Error(err)
	}
}

func TestHostsKeepDifferentFilesUnderOneName(t *testing.T) {
	l := newLab(t)
	file := filepath.Join(l.Disk(), "note")
	for _, name := range []string{"alpha", "beta"} {
		if _, err := l.Host(name).Output(t.Context(), lab.Cmd{Path: "/bin/sh", Args: []string{"-c", "echo " + name + " >" + file}}); err != nil {
			t.Fatal(err)
		}
	}
	ok(t)(l.PowerCut(l.Host("alpha")))
	ok(t)(l.PowerOn(l.Host("alpha")))
	for _, name := range []string{"alpha", "beta"} {
		inside, err := l.Host(name).Output(t.Context(), lab.Cmd{Path: "/bin/cat", Args: []string{file}})
		outside, err2 := os.ReadFile(filepath.Join(l.Host(name).Dir(), "note"))
		if string(inside) != name+"\n" || string(outside) != name+"\n" {
			t.Errorf("%s reads %q (%v), outside it is %q (%v)", name, inside, err, outside, err2)
		}
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("this process sees a host's file: %v", err)
	}
}
