package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// innerName marks the program that Enter has started inside a user namespace; its
// value is the number of files that were handed over.
const innerName = "BATON_LAB_INNER"

// firstFile is the descriptor of the first file that is handed over.
const firstFile = 3

// Enter makes sure that this program may make namespaces. Root may: Enter
// returns again == false at once. Anybody else's program is run once more, with
// the same arguments, environment and standard streams, as root of a user
// namespace of its own; Enter returns when that has ended, with its exit code,
// and the caller must exit with it.
//
// The second program finds the files by Inherited: a listener opened before Enter
// still listens outside. If namespaces are
// forbidden on this machine, the error says so in one line, with the remedy.
func Enter(files ...*os.File) (code int, again bool, err error) {
	if os.Geteuid() == 0 {
		if err := mayUnshare(); err != nil {
			return 0, false, fmt.Errorf("network namespaces cannot be made here (%w): %s", err, remedy())
		}
		return 0, false, nil
	}
	if os.Getenv(innerName) != "" {
		return 0, false, fmt.Errorf("the user namespace gives no rights: %s", remedy())
	}
	if base := defaultDir(); ownDir(base) == nil {
		// From here the processes of a dead user namespace can be seen; from within another they cannot.
		_ = sweep(base)
	}
	code, err = runInside(files)
	return code, true, err
}

// Inherited returns the files that were handed to Enter, in the program that it
// started; nil in any other. Call it once.
func Inherited() []*os.File {
	count, err := strconv.Atoi(os.Getenv(innerName))
	if err != nil {
		return nil
	}
	var files []*os.File
	for fd := firstFile; fd < firstFile+count; fd++ {
		files = append(files, os.NewFile(uintptr(fd), "inherited"))
	}
	return files
}

func mayUnshare() error {
	ns, err := newNamespace(func() error { return nil })
	if err != nil {
		return err
	}
	ns.close()
	return nil
}

func runInside(files []*os.File) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(self, os.Args[1:]...) //nolint:gosec,noctx // this very program; it ends by the signals handed on
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = files
	cmd.Env = append(os.Environ(), innerName+"="+strconv.Itoa(len(files)))
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	runtime.LockOSThread() // the kernel ends the child with this thread
	defer runtime.UnlockOSThread()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("user namespaces cannot be made here (%w): %s", err, remedy())
	}
	ended := make(chan struct{})
	go handOn(signals, cmd.Process, ended)
	err = cmd.Wait()
	close(ended)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("run inside a user namespace: %w", err)
	}
	return cmd.ProcessState.ExitCode(), nil
}

// handOn passes signals to the child. What the terminal sends to the whole
// group reaches the child twice, which does no harm.
func handOn(signals <-chan os.Signal, child *os.Process, ended <-chan struct{}) {
	for {
		select {
		case sig := <-signals:
			_ = child.Signal(sig)
		case <-ended:
			return
		}
	}
}

// remedy says what to do where namespaces are off, as far as the machine tells.
func remedy() string {
	for _, knob := range []struct{ name, off, on string }{
		{"kernel.apparmor_restrict_unprivileged_userns", "1", "0"},
		{"kernel.unprivileged_userns_clone", "0", "1"},
		{"user.max_user_namespaces", "0", "10000"},
	} {
		value, err := os.ReadFile(filepath.Join("/proc/sys", strings.ReplaceAll(knob.name, ".", "/")))
		if err == nil && strings.TrimSpace(string(value)) == knob.off {
			return fmt.Sprintf("run it as root (sudo), or allow it with: sudo sysctl -w %s=%s", knob.name, knob.on)
		}
	}
	return "run it as root (sudo); in a container, start that with --privileged"
}
