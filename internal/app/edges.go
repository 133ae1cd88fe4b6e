package app

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"

	"baton/internal/agent"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/store/local"

	"github.com/coreos/go-systemd/v22/daemon"
)

// newBeat tells systemd's watchdog that the loop turns, at most ten times in the
// time that it allows; nil without a watchdog.
func newBeat(decision func() agent.Decision) func() {
	most, err := daemon.SdWatchdogEnabled(false)
	if err != nil || most == 0 {
		return nil
	}
	var last time.Time
	var notify notifier
	within := most
	return func() {
		text := daemon.SdNotifyWatchdog
		if wanted := mayHang(decision(), most); wanted != within {
			within, last = wanted, time.Time{}
			text = fmt.Sprintf("WATCHDOG_USEC=%d\n%s", within.Microseconds(), text)
		}
		if now := time.Now(); now.Sub(last) >= within/10 {
			last = now
			notify.tell(text) // a missed one shows at the next
		}
	}
}

// notifier is a connection to systemd's socket for what its services tell, kept open for what is told
// several times a second.
type notifier struct{ conn net.Conn }

// tell tells it, over a new connection if systemd has ended the one there was.
func (n *notifier) tell(text string) {
	for range 2 {
		if n.conn == nil {
			conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: os.Getenv("NOTIFY_SOCKET"), Net: "unixgram"})
			if err != nil {
				return
			}
			n.conn = conn
		}
		if _, err := n.conn.Write([]byte(text)); err == nil {
			return
		}
		_ = n.conn.Close()
		n.conn = nil
	}
}

// mayHang is for how long the loop may stand still. A primary whose backup takes over by itself
// is ended once that may happen, so that its services do not run beside the backup's.
func mayHang(d agent.Decision, most time.Duration) time.Duration {
	if s := d.State; s.Record.Role == pair.Primary && s.Serving() && s.Peer.Eligible {
		return min(most, max(d.Config.TakeoverAfter(s), time.Second))
	}
	return most
}

// vault is where the link keeps its secrets.
type vault struct{ local *local.Store }

func (k vault) Load() (secrets peer.Secrets, err error) {
	if err = k.local.LoadSecrets(&secrets); errors.Is(err, fs.ErrNotExist) {
		err = nil // none yet
	}
	return secrets, err
}

func (k vault) Save(secrets peer.Secrets) error { return k.local.SaveSecrets(secrets) }
