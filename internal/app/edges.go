package app

import (
	"errors"
	"io/fs"
	"time"

	"baton/internal/peer"
	"baton/internal/store/local"

	"github.com/coreos/go-systemd/v22/daemon"
)

// newBeat tells systemd's watchdog that the loop turns, at most four times in the
// time that it allows; nil without a watchdog.
func newBeat() func() {
	allowed, err := daemon.SdWatchdogEnabled(false)
	if err != nil || allowed == 0 {
		return nil
	}
	var last time.Time
	return func() {
		if now := time.Now(); now.Sub(last) >= allowed/4 {
			last = now
			_, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog) // a missed one shows at the next
		}
	}
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
