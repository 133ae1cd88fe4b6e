package cli

import (
	"testing"

	"baton/internal/api"
)

// On a terminal, a switch says what it waits for, and a data sync within it how far it is.
func TestWhatIsShownWhileATaskRuns(t *testing.T) {
	sync := &api.Progress{BytesDone: 1000, FilesDone: 1}
	for want, task := range map[string]api.Task{
		"": {},
		"Requests wait until the services have stopped, for 5s at most.": {Awaits: "Requests wait until the services have stopped, for 5s at most."},
		"1.00 kB in 1 files": {Progress: sync},
		"This backup copies what has changed, while the primary serves. 1.00 kB in 1 files": {Awaits: "This backup copies what has changed, while the primary serves.", Progress: sync},
	} {
		if got := liveText(task); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
