package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/agent"
	"baton/internal/cause"
	"baton/internal/config"
	"baton/internal/durable"
	"baton/internal/failover"
	"baton/internal/listen"
	"baton/internal/pair"
)

// note is what a daemon tells of itself in a file beside the local socket: that it can be
// reloaded, and what came of the newest try. A daemon of an earlier version tells nothing, and
// would be ended by the signal.
type note struct {
	Began   failover.Instant `json:"began"`   // when it began to run
	Refused string           `json:"refused"` // why it was not reloaded
	Tried   failover.Instant `json:"tried"`   // when that was
}

func processFile(c config.Config) string {
	return filepath.Join(filepath.Dir(c.Socket), "process.json")
}

// tell writes it.
func (p note) tell(c config.Config) error { return durable.WriteJSON(processFile(c), p) }

func processOf(c config.Config) (p note, is bool, err error) {
	is, err = durable.ReadJSON(processFile(c), "began", &p)
	return p, is, err
}

// reload has the daemon of a configuration file replaced by the program that is installed now,
// and waits until that one runs. A daemon whose file is broken hears of it, too: it notes why it
// refuses.
func reload(ctx context.Context, path string) error {
	c, broken := config.Load(path)
	if broken != nil {
		c = config.Config{Socket: config.Socket(path)}
		broken = pair.Refuse(pair.Usage, "%w", cause.Plain(broken))
	} else if err := listen.Free(ctx, c); err != nil {
		return err
	}
	before, reloadable, err := processOf(c)
	pid, runs := daemonOf(ctx, c)
	switch {
	case broken != nil && (err != nil || !runs || !reloadable):
		return broken
	case err != nil:
		return err
	case !runs:
		return pair.Refuse(pair.Refused, "no daemon runs here: start it with systemctl start baton")
	case !reloadable:
		return pair.Refuse(pair.Refused, "the daemon that runs is of a version that cannot be reloaded: restart it with systemctl restart baton, on the backup first, and on the primary after a planned switch")
	}
	if err := unix.Kill(pid, unix.SIGHUP); err != nil {
		return fmt.Errorf("tell the daemon to reload: %w", err)
	}
	const patience = 30 * time.Second
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		switch now, is, err := processOf(c); {
		case err != nil:
			return err
		case is && now.Tried > before.Tried && broken != nil:
			return broken
		case is && now.Tried > before.Tried:
			return pair.Refuse(pair.Failed, "not reloaded, and the daemon that ran goes on: %s", now.Refused)
		case is && now.Began > before.Began:
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-limited.Done():
			return errors.Join(ctx.Err(), pair.Refuse(pair.Failed, "the new daemon does not answer yet: journalctl -u baton says why"))
		}
	}
}

// daemonOf is the process that answers on the local socket.
func daemonOf(ctx context.Context, c config.Config) (pid int, runs bool) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return 0, false
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0, false
	}
	var peer *unix.Ucred
	if failed := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); failed != nil || err != nil {
		return 0, false
	}
	return int(peer.Pid), true
}

// running tells that this process runs.
func running(c config.Config) error { return note{Began: agent.BootClock()}.tell(c) }

// notReloaded tells why it goes on.
func notReloaded(c config.Config, why error) error {
	p, _, err := processOf(c)
	p.Refused, p.Tried = why.Error(), agent.BootClock()
	return errors.Join(err, p.tell(c))
}
