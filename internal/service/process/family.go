package process

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/cgroup"
	"baton/internal/cgroup/listening"
)

// How long what was told to end may take until it is killed, and what was killed until it is gone.
const (
	stopWithin = 10 * time.Second
	killed     = 2 * time.Second
)

// family is a program that this daemon has started, and all that it has started in turn.
type family struct {
	group cgroup.Group
	log   logFile
	turn  chan struct{} // holds one token: who has it starts or ends processes

	mu     sync.Mutex
	main   *member // nil: none runs
	since  time.Time
	failed string             // why it ended by itself; empty: it did not
	left   []listening.Socket // that are open since it was last ended
}

// member is the program itself. When it ends, so does what it has started.
type member struct {
	process *os.Process
	wait    func() (*os.ProcessState, error) // until it ends; called once
	told    bool                             // to end
}

func newFamily(group cgroup.Group, log logFile) *family {
	f := &family{group: group, log: log, turn: make(chan struct{}, 1)}
	f.turn <- struct{}{}
	return f
}

// adopt finds the program again that this process had started before it was reloaded.
func (f *family) adopt() {
	pids := f.group.Processes()
	for _, pid := range pids {
		since, ours := ownChild(pid)
		if !ours {
			continue
		}
		if process, err := os.FindProcess(pid); err == nil {
			f.keep(&member{process: process, wait: process.Wait}, since)
			return
		}
	}
	if len(pids) > 0 { // its daemon was killed, or it has ended: so does what it has started
		go f.finish()
	}
}

// ownChild reports whether a process is a child of this one that leads its session, as each that it starts does; and
// since when it runs.
func ownChild(pid int) (since time.Time, is bool) {
	text, err := fs.ReadFile(os.DirFS("/proc"), fmt.Sprintf("%d/stat", pid))
	if err != nil {
		return since, false
	}
	const parent, session, began, ticks = 1, 3, 19, 100                       // of proc_pid_stat(5), after the name
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])) // the name may have spaces
	if len(fields) <= began || fields[parent] != strconv.Itoa(os.Getpid()) || fields[session] != strconv.Itoa(pid) {
		return since, false
	}
	var now unix.Timespec
	after, err := strconv.ParseInt(fields[began], 10, 64)
	if err == nil && unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) == nil {
		since = time.Now().Add(time.Duration(after)*time.Second/ticks - time.Duration(now.Nano()))
	}
	return since, true
}

// keep takes a program for the main one, and sees to its end.
func (f *family) keep(main *member, since time.Time) {
	f.mu.Lock()
	f.main, f.since, f.failed = main, since, ""
	f.mu.Unlock()
	ended := make(chan struct{})
	go f.log.trim(ended)
	go func() {
		state, _ := main.wait()
		f.mu.Lock()
		f.main, f.since = nil, time.Now()
		if !main.told {
			f.failed = ending(state)
		}
		f.mu.Unlock()
		f.finish()
		close(ended)
	}()
}

// ending says how a program ended by itself.
func ending(state *os.ProcessState) string {
	if state == nil {
		return "it has ended: look at its log"
	}
	if status, is := state.Sys().(syscall.WaitStatus); is && status.Signaled() {
		return fmt.Sprintf("it has ended by signal %d: look at its log", status.Signal())
	}
	return fmt.Sprintf("it has ended with exit code %d: look at its log", state.ExitCode())
}

// finish ends what a program has left that has itself ended.
func (f *family) finish() {
	<-f.turn
	defer func() { f.turn <- struct{}{} }()
	if f.running() == nil {
		_ = f.end(context.Background()) // what is left then is seen by whoever asks
	}
}

func (f *family) running() *member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.main
}

// take waits for the turn.
func (f *family) take(ctx context.Context) error {
	select {
	case <-f.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *family) give() { f.turn <- struct{}{} }

// LeftError is a service of which something is left after it was told to stop, and killed.
type LeftError struct{ cgroup.Left }

func (e *LeftError) Error() string { return "it does not stop: " + e.String() }

// end tells all of it to end, and kills what does not. It returns once nothing of it is left, and no port is open that it
// had opened; else a [LeftError]. Whatever it does, that lasts no longer than both times above. The turn is the caller's.
func (f *family) end(ctx context.Context) error {
	opened, err := f.group.Sockets()
	if err != nil {
		opened = nil // a kernel without sock_diag: the control group has to be proof enough
	}
	f.mu.Lock()
	opened = append(opened, f.left...)
	if f.main != nil {
		f.main.told = true
	}
	f.mu.Unlock()
	f.signal(syscall.SIGTERM)
	f.signal(syscall.SIGCONT) // one that was stopped could not heed it
	if err := until(ctx, stopWithin, func() bool { return len(f.processes()) == 0 }); err != nil {
		return err
	}
	var left cgroup.Left
	var unseen error
	err = until(ctx, killed, func() bool {
		if len(f.processes()) > 0 {
			f.group.Kill()
			f.signal(syscall.SIGKILL)
		}
		left, unseen = f.group.Left(opened)
		left.Processes = f.processes()
		return unseen != nil || left.Nothing()
	})
	f.mu.Lock()
	f.left = left.Sockets
	f.mu.Unlock()
	switch {
	case err != nil || unseen != nil:
		return cmp.Or(err, unseen)
	case !left.Nothing():
		return &LeftError{left}
	}
	f.group.Remove()
	return nil
}

// processes are those of the group, and the program itself, should root's powers have let it leave.
func (f *family) processes() []int {
	pids := f.group.Processes()
	if main := f.running(); main != nil && !slices.Contains(pids, main.process.Pid) {
		pids = append(pids, main.process.Pid)
	}
	return pids
}

// signal sends each of them a signal, once.
func (f *family) signal(sig syscall.Signal) {
	main, inside := f.running(), f.group.Processes()
	f.group.Signal(sig)
	if main != nil && !slices.Contains(inside, main.process.Pid) {
		_ = main.process.Signal(sig) // it may have ended
	}
}

// clear kills all of it at once, and waits a moment for its end.
func (f *family) clear(ctx context.Context) {
	f.group.Kill()
	_ = until(context.WithoutCancel(ctx), killed, func() bool { return len(f.group.Processes()) == 0 })
	f.group.Remove()
}

// until looks until something holds or the time is over. It fails only if ctx ends.
func until(ctx context.Context, within time.Duration, holds func() bool) error {
	const longest = 20 * time.Millisecond
	end := time.Now().Add(within)
	for pause := time.Millisecond; !holds() && time.Now().Before(end); pause = min(2*pause, longest) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	return nil
}

// start starts a program in the group, in which nothing runs, and returns once it does. The turn is the caller's.
func (f *family) start(ctx context.Context, to order, out *os.File) (main *member, why failure, err error) {
	told, err := json.Marshal(to)
	if err != nil {
		return nil, why, fmt.Errorf("say what is to be started: %w", err)
	}
	group, err := os.Open(f.group.Dir())
	if err != nil {
		return nil, why, fmt.Errorf("open the control group: %w", err)
	}
	defer group.Close() //nolint:errcheck // nothing was written
	failed, fail, err := os.Pipe()
	if err != nil {
		return nil, why, fmt.Errorf("start a program: %w", err)
	}
	defer failed.Close() //nolint:errcheck // nothing was written
	cmd := exec.Cmd{
		Path: "/proc/self/exe", Args: []string{childName}, Env: []string{}, Dir: "/",
		Stdin: bytes.NewReader(told), Stdout: out, Stderr: out, ExtraFiles: []*os.File{fail},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(group.Fd())},
	}
	err = cmd.Start()
	_ = fail.Close()
	if err != nil {
		return nil, why, fmt.Errorf("start a program in its control group: %w", err)
	}
	main = &member{process: cmd.Process}
	main.wait = func() (*os.ProcessState, error) { err := cmd.Wait(); return cmd.ProcessState, err }
	stop := context.AfterFunc(ctx, func() { // as when its directory is on a disk that hangs: then it cannot be killed either
		f.group.Kill()
		_ = failed.SetReadDeadline(time.Now())
	})
	defer stop()
	switch err := json.NewDecoder(failed).Decode(&why); {
	case ctx.Err() != nil:
		go main.wait() //nolint:errcheck // it was killed
		return nil, why, ctx.Err()
	case err == nil:
		go main.wait() //nolint:errcheck // it has said why
		return nil, why, errNotStarted
	}
	return main, why, nil // it holds the other end no more: the program is in its place
}

// errNotStarted is of a program that could not be run; a failure says why.
var errNotStarted = errors.New("not started")
