package watch

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"baton/internal/tick"
)

// diskSlow is how long a write may take before it counts as one that fails. A loop that waits
// for its disk for that long is ended by the watchdog.
const diskSlow = 10 * time.Second

var errDiskSlow = errors.New("a write has not ended for 10 s")

// Disk finds out whether this appliance can write its state, by writing a sign of life beside
// it at an interval. A write that hangs keeps nobody waiting.
type Disk struct {
	Every time.Duration
	Write func() error
	Agent interface {
		StoreChecked(why error)
	}
	Log *slog.Logger

	began  time.Time // of the write under way; zero: none is
	failed error     // as last told; nil: writes succeed
}

// Run writes until ctx ends. A write that hangs then is left behind.
func (d *Disk) Run(ctx context.Context) error {
	ticker := tick.Every(d.Every)
	defer ticker.Stop()
	ended := make(chan error, 1)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-ended:
			d.began = time.Time{}
			d.tell(err)
		case now := <-ticker.C:
			switch {
			case d.began.IsZero():
				d.began = now
				go func() { ended <- d.Write() }()
			case now.Sub(d.began) >= diskSlow && len(ended) == 0:
				d.tell(errDiskSlow)
			}
		}
	}
}

// tell passes on how a write ended, if that is news.
func (d *Disk) tell(err error) {
	if (err == nil) == (d.failed == nil) {
		return
	}
	d.failed = err
	if err != nil {
		d.Log.Error("the state of this appliance cannot be written", slog.String("error", err.Error()))
	}
	d.Agent.StoreChecked(err)
}
