package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab/daemon"
)

// restartPause is RestartSec of packaging/baton.service.
const restartPause = 500 * time.Millisecond

// service is the daemon of an appliance under a service manager.
type service struct {
	appliance *daemon.Appliance
	systemd   *systemd // of this boot of the host

	mu   sync.Mutex
	next *afterEnd // what is to happen after the next end; nil: what happens after any other
}

// afterEnd is how the service manager treats the end of the daemon.
type afterEnd struct {
	pause time.Duration // before the next start
	hard  bool          // nothing is cleaned up
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
		last := s.ended()
		if ctx.Err() == nil && !last.hard {
			_, _ = s.appliance.Run(ctx, "", "cleanup") // ExecStopPost; how it ends changes nothing
		}
		if rest(ctx, last.pause) != nil {
			return
		}
		s.systemd.runs("")
		for s.appliance.Serve(ctx) != nil { // a full disk, for instance
			if rest(ctx, restartPause) != nil {
				return
			}
		}
	}
}

// ended returns how to start again, and forgets it.
func (s *service) ended() afterEnd {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		return afterEnd{pause: restartPause}
	}
	last := *s.next
	s.next = nil
	return last
}

func (s *service) expect(next afterEnd) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = &next
}

// kill ends the daemon at once; it is started again after the pause. After a hard
// end nothing is cleaned up.
func (s *service) kill(pause time.Duration, hard bool) error {
	s.expect(afterEnd{max(pause, restartPause), hard})
	return s.signal(unix.SIGKILL)
}

// stop ends the daemon in order, as systemctl stop does; it is started again after the pause.
func (s *service) stop(pause time.Duration) error {
	s.systemd.runs("stop")
	s.expect(afterEnd{pause: max(pause, restartPause)})
	return s.term()
}

// restart ends the daemon and starts it again, as systemctl restart does.
func (s *service) restart() error {
	s.systemd.runs("restart")
	s.expect(afterEnd{})
	return s.term()
}

func (s *service) term() error { return s.signal(unix.SIGTERM) }

// signal sends the daemon a signal, and none to what it runs.
func (s *service) signal(sig os.Signal) error {
	if err := s.appliance.Daemon().Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

func (s *service) hang() error { return s.signal(unix.SIGSTOP) }
func (s *service) wake() error { return s.signal(unix.SIGCONT) }

// rest waits, unless ctx ends first.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
