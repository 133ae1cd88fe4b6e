package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
)

// Of packaging/baton.service.
const (
	restartPause = 500 * time.Millisecond // RestartSec
	niceness     = -15                    // Nice
)

// machine is one appliance with what runs on it: the daemon under a service
// manager, and the site's server.
type machine struct {
	*daemon.Appliance
	self string // this program

	mu    sync.Mutex
	pause time.Duration  // before the next start
	hard  bool           // the next end is not cleaned up after
	watch sync.WaitGroup // the service manager, as long as the host has power
	off   context.CancelFunc
}

// boot starts everything on a host that has just got power.
func (m *machine) boot(ctx context.Context) error {
	ctx, m.off = context.WithCancel(ctx)
	_, err := m.Start(ctx, lab.Cmd{Path: m.self, Args: []string{siteCommand, m.Name(), m.OnHost(daemon.SiteDir)}})
	if err == nil {
		err = m.serve(ctx)
	}
	if err != nil {
		m.off()
		return err
	}
	m.watch.Go(func() { m.manage(ctx) })
	return nil
}

// manage does what the service manager does: whatever ended the daemon, it cleans
// up, waits and starts it again.
func (m *machine) manage(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.Daemon().Done():
		}
		pause, hard := m.ended()
		if ctx.Err() == nil && !hard {
			_, _ = m.Run(ctx, "", "cleanup") // ExecStopPost; how it ends changes nothing
		}
		if rest(ctx, pause) != nil {
			return
		}
		for m.serve(ctx) != nil { // a full disk, for instance
			if rest(ctx, restartPause) != nil {
				return
			}
		}
	}
}

// serve starts the daemon as the service manager does: ahead of the site's own programs.
func (m *machine) serve(ctx context.Context) error {
	if err := m.Serve(ctx); err != nil {
		return err
	}
	if err := unix.Setpriority(unix.PRIO_PGRP, m.Daemon().PID(), niceness); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// ended returns how to start again, and forgets it.
func (m *machine) ended() (pause time.Duration, hard bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	pause, hard = max(m.pause, restartPause), m.hard
	m.pause, m.hard = 0, false
	return pause, hard
}

// kill ends the daemon at once; it is started again after the pause.
func (m *machine) kill(pause time.Duration, hard bool) error {
	m.mu.Lock()
	m.pause, m.hard = pause, hard
	m.mu.Unlock()
	return lab.KillFamily(m.Daemon().PID())
}

func (m *machine) hang() error { return lab.HangFamily(m.Daemon().PID()) }
func (m *machine) wake() error { return lab.ContinueFamily(m.Daemon().PID()) }

// retire ends the service manager; what runs ends with the host.
func (m *machine) retire() {
	if m.off != nil {
		m.off()
	}
	m.watch.Wait()
	m.Close()
}

// unplug takes the power; what was not durable is lost.
func (m *machine) unplug(l *lab.Lab) error {
	if !m.On() {
		return nil
	}
	m.off()
	_, err := l.PowerCut(m.Host)
	m.watch.Wait()
	return err
}

// plug gives it back and starts what ran.
func (m *machine) plug(ctx context.Context, l *lab.Lab) error {
	if m.On() {
		return nil
	}
	_, err := l.PowerOn(m.Host)
	if err != nil {
		return err
	}
	return m.boot(ctx)
}

// settle makes durable what was written to the host's disk from outside.
func (m *machine) settle() error {
	dir, err := os.Open(m.Dir())
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(dir.Fd())), dir.Close())
}

// forgetLog empties what the daemon said so far.
func (m *machine) forgetLog() error {
	if err := os.Truncate(m.Log, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// rest waits, unless ctx ends first.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
