package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Cmd is a program to start on a host.
type Cmd struct {
	Path           string   // of the executable
	Args           []string // without the name
	Env            []string // added to the lab's own environment
	Dir            string   // working directory; empty: the host's
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Files          []*os.File // its descriptors from 3 on
}

// Process is a program that runs, or ran, on a host.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // valid once done is closed
}

// PID is the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait blocks until the process has ended and says how.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Signal sends a signal to this process alone.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal process %d: %w", p.PID(), err)
	}
	return nil
}

// Stop asks the process to end (SIGTERM) and kills it when the grace is over.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.Signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
	case <-time.After(grace):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return p.err
}

// Start starts a program on the host. It ends with ctx, with the host's power,
// with the lab, and with the lab's process, however that ends.
func (h *Host) Start(ctx context.Context, c Cmd) (*Process, error) {
	ns, err := h.namespace()
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: h.command(ctx, c), done: make(chan struct{})}
	if err := ns.run(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s on %s: %w", c.Path, h.name, err)
	}
	h.mu.Lock()
	h.processes[p] = struct{}{}
	h.mu.Unlock()
	go func() {
		p.err = p.cmd.Wait()
		h.mu.Lock()
		delete(h.processes, p)
		h.mu.Unlock()
		close(p.done)
	}()
	return p, nil
}

// Output runs a program on the host to its end and returns what it wrote to
// standard output; the error carries the last of what it wrote to standard error.
func (h *Host) Output(ctx context.Context, c Cmd) ([]byte, error) {
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	p, err := h.Start(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := p.Wait(); err != nil {
		if text := bytes.TrimSpace(errs.Bytes()); len(text) > 0 {
			return out.Bytes(), fmt.Errorf("%s: %w", text, err)
		}
		return out.Bytes(), err
	}
	return out.Bytes(), nil
}

func (h *Host) command(ctx context.Context, c Cmd) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Path, c.Args...) //nolint:gosec // running given programs is the purpose
	cmd.Env = append(append(os.Environ(), c.Env...), h.mark, innerName+"=")
	cmd.Dir = c.Dir
	if cmd.Dir == "" {
		cmd.Dir = h.dir
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	cmd.ExtraFiles = c.Files
	cmd.WaitDelay = time.Second
	// Its own group: a key pressed at the terminal is not for the hosts.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	return cmd
}

// kill ends everything on the host: first what was started here, then whatever
// that started in turn, until nothing is left.
func (h *Host) kill(ns *namespace) {
	h.mu.Lock()
	started := make([]*Process, 0, len(h.processes))
	for p := range h.processes {
		_ = p.cmd.Process.Kill()
		started = append(started, p)
	}
	h.mu.Unlock()
	for pids := residents(ns); len(pids) > 0; pids = residents(ns) {
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		time.Sleep(time.Millisecond)
	}
	for _, p := range started {
		<-p.done
	}
}

func (h *Host) signalAll(sig syscall.Signal) (time.Time, error) {
	ns, err := h.namespace()
	if err != nil {
		return time.Time{}, err
	}
	at := time.Now()
	h.mu.Lock()
	for p := range h.processes {
		_ = p.cmd.Process.Signal(sig)
	}
	h.mu.Unlock()
	for _, pid := range residents(ns) {
		if err := unix.Kill(pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
			return at, fmt.Errorf("signal process %d on %s: %w", pid, h.name, err)
		}
	}
	return at, nil
}

// residents lists every process that lives in the namespace, also those of other programs;
// never this one, although its threads visit there. Dead ones have no namespace.
func residents(ns *namespace) []int {
	name, err := ns.identity()
	if err != nil {
		return nil
	}
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		return nil
	}
	var pids []int
	for _, link := range links {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link))))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if found, err := os.Readlink(link); err == nil && found == name {
			pids = append(pids, pid)
		}
	}
	return pids
}
