package keeper

import (
	"context"
	"time"
)

// Runner starts and stops one service. An error is a sentence for a person, without the name
// of the service.
type Runner interface {
	// Start returns once the service is started. If it runs already, that is no error.
	Start(ctx context.Context) error
	// Stop returns once nothing of the service is left, whatever that takes; its own time is bounded.
	Stop(ctx context.Context) error
	State(ctx context.Context) (State, error)
	// SetRan has a timer hold for run then, so that the job of the day does not run twice. It does not run now.
	SetRan(ran time.Time) error
	// Try runs a line of the shell as the service's user, and fails if the line does.
	Try(ctx context.Context, line string, within time.Duration) error
}

// State is how a service is. The zero value does not run.
type State struct {
	Runs      bool          // something of it runs, or is about to
	Up        bool          // it is started
	Hindered  string        // why nothing can start it on this machine; empty: nothing is against it
	Failed    string        // why it ended by itself; empty: it did not
	Restarts  int           // how often its own manager has started it again
	StopLimit time.Duration // how long it may take to stop, with what stops with it: no unit of them longer than [LongStop]; 0: not known
	AtBoot    AtBoot        // what starts it when the machine boots
	// StopsEarly: a shutdown of the machine stops it before Baton.
	StopsEarly bool
	Since      time.Time // when it began to run, or ended; zero: not known
	Persistent bool      // it is a timer that runs what it missed
	Ran        time.Time // when such a timer has last run its job; zero: never
}

// AtBoot is what starts a service when the machine boots. The zero value: nothing does.
type AtBoot struct {
	Unit    string // that starts by itself: its own, or one that starts it
	By      string // what wants that one, as multi-user.target
	Enabled bool   // systemctl disable takes it from there
}
