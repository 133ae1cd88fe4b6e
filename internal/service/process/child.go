package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A program is started in two steps: this program once more, in the control group of the service, which
// then makes itself what systemd would make it and puts the service's program in its place. So
// nothing of the service runs with the daemon's priority, and none of it outside of the group.

// childName is what this program is called in the first step: nobody types it.
const childName = "baton: starts a service"

// order is what the first step is told on its standard input.
type order struct {
	Args []string `json:"args"`
	Env  []string `json:"env"`
	Dir  string   `json:"dir"`

	Root   bool  `json:"root"` // as whom the daemon runs; else as:
	UID    int   `json:"uid"`
	GID    int   `json:"gid"`
	Groups []int `json:"groups"`

	Files uint64 `json:"files"` // that a process may have open; 0: as many as the daemon was started with
}

// failFile is where it tells why it could not; the service's program does not have it.
const failFile = 3

// failure is a step that failed.
type failure struct {
	Step  string        `json:"step"`
	Errno syscall.Errno `json:"errno"`
}

// The steps at which a person can be at fault.
const (
	stepUser = "user"
	stepDir  = "dir"
	stepRun  = "run"
)

// Become does the second step in a process that [Machine] has started, and returns only if that fails. In any
// other process it does nothing, and is tells so.
func Become(args []string) (code int, is bool) {
	if len(args) != 1 || args[0] != childName {
		return 0, false
	}
	fail := os.NewFile(failFile, "fail")
	var to order
	text, err := io.ReadAll(os.Stdin)
	if err == nil {
		err = json.Unmarshal(text, &to)
	}
	why := failure{Step: "order", Errno: syscall.EINVAL}
	if err == nil {
		why = to.carryOut()
	}
	_ = json.NewEncoder(fail).Encode(why) // the daemon may be gone
	return 1, true
}

func (o order) carryOut() failure {
	runtime.LockOSThread() // priority and signals are of the thread that becomes the program
	// Both rise for a daemon that has the values of its unit. A daemon that may not lower them had them so.
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 0)
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("0"), 0)
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"limit of open files", o.limitFiles},
		{"standard input", readNothing},
		{"signals", defaultSignals},
		{"keys", ownKeys},
		{stepUser, o.becomeUser},
		{stepDir, func() error { return syscall.Chdir(o.Dir) }},
		{stepRun, o.run},
	} {
		if err := step.do(); err != nil {
			why := failure{Step: step.name, Errno: syscall.EINVAL}
			_ = errors.As(err, &why.Errno)
			return why
		}
	}
	return failure{}
}

func (o order) limitFiles() error {
	if o.Files == 0 {
		return nil
	}
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: o.Files, Max: o.Files})
}

func readNothing() error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	return unix.Dup3(int(null.Fd()), 0, 0)
}

// defaultSignals has each signal do what it does in a program that was just started. What the daemon
// blocks while it is reloaded, or was started without, would stay so in the service.
func defaultSignals() error {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGPIPE, unix.SIGCHLD, unix.SIGUSR1, unix.SIGUSR2) // what is caught is reset when the program begins
	return unix.PthreadSigmask(unix.SIG_SETMASK, &unix.Sigset_t{}, nil)
}

// ownKeys leaves the daemon's session keyring (session-keyring(7)). A kernel may have none, or a container forbid them.
func ownKeys() error {
	_, _ = unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0)
	return nil
}

func (o order) becomeUser() error {
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) // an old kernel has none
	if o.Root {
		return nil
	}
	if err := syscall.Setgroups(o.Groups); err != nil {
		return err
	}
	if err := syscall.Setgid(o.GID); err != nil {
		return err
	}
	return syscall.Setuid(o.UID)
}

func (o order) run() error {
	_ = unix.CloseRange(failFile, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC) // what the daemon was itself started with
	unix.CloseOnExec(failFile)
	unix.Umask(0o022)
	return syscall.Exec(o.Args[0], o.Args, o.Env) //nolint:gosec // to run what root has allowed is the purpose
}

// sentence says why a program was not started, in the words that systemd's failures are put in.
func (f failure) sentence(called, user, dir string) error {
	switch f.Step {
	case stepRun:
		return errors.New(called + " cannot be run: see that it is a program, and that its user may run it")
	case stepDir:
		return fmt.Errorf("%s cannot be run in %s: see that it is a directory, and that its user may enter it", called, dir)
	case stepUser:
		return noUser(called, user)
	}
	return fmt.Errorf("%s cannot be run (%s: %w)", called, f.Step, f.Errno)
}

func noUser(called, user string) error {
	return fmt.Errorf("%s cannot be run as %s: see that this machine has that user and group", called, user)
}

// environment is what every program finds, and what the command adds to it; of a name that is given twice, the last.
func environment(base, added []string) []string {
	all := slices.Concat(base, added)
	last := map[string]int{}
	for i, entry := range all {
		name, _, _ := strings.Cut(entry, "=")
		last[name] = i
	}
	var env []string
	for i, entry := range all {
		if name, _, _ := strings.Cut(entry, "="); last[name] == i {
			env = append(env, entry)
		}
	}
	return env
}
