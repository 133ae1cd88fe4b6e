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

// restartPause is RestartSec of packaging/baton.service.
const restartPause = 500 * time.Millisecond

// service is the daemon of an appliance under a service manager.
type service struct {
	appliance *daemon.Appliance

	mu    sync.Mutex
	pause time.Duration // before the next start
	hard  bool          // the next end is not cleaned up after
}

// manage does what the service manager does until ctx ends: whatever ended the
// daemon, it cleans up, waits and starts it again.
func (s *service) manage(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.appliance.Daemon().Done():
		}
		pause, hard := s.ended()
		if ctx.Err() == nil && !hard {
			_, _ = s.appliance.Run(ctx, "", "cleanup") // ExecStopPost; how it ends changes nothing
		}
		if rest(ctx, pause) != nil {
			return
		}
		for s.appliance.Serve(ctx) != nil { // a full disk, for instance
			if rest(ctx, restartPause) != nil {
				return
			}
		}
	}
}

// ended returns how to start again, and forgets it.
func (s *service) ended() (pause time.Duration, hard bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pause, hard = max(s.pause, restartPause), s.hard
	s.pause, s.hard = 0, false
	return pause, hard
}

// kill ends the daemon at once; it is started again after the pause. After a hard
// end nothing is cleaned up.
func (s *service) kill(pause time.Duration, hard bool) error {
	s.mu.Lock()
	s.pause, s.hard = pause, hard
	s.mu.Unlock()
	return lab.KillFamily(s.appliance.Daemon().PID())
}

// stop ends the daemon in order, as systemctl stop does; it is started again after the pause.
func (s *service) stop(pause time.Duration) error {
	s.mu.Lock()
	s.pause, s.hard = pause, false
	s.mu.Unlock()
	if err := s.appliance.Daemon().Signal(unix.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

func (s *service) hang() error { return lab.HangFamily(s.appliance.Daemon().PID()) }
func (s *service) wake() error { return lab.ContinueFamily(s.appliance.Daemon().PID()) }

// rest waits, unless ctx ends first.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
