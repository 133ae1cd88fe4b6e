package unit

import (
	"testing"

	"baton/internal/systemd"
)

func TestWhatStartsAtBoot(t *testing.T) {
	for state, want := range map[string]string{"enabled": "multi-user.target", "enabled-runtime": "multi-user.target", "generated": "multi-user.target", "disabled": ""} {
		if got := atBoot(systemd.Unit{FileState: state, WantedBy: []string{"multi-user.target"}}); got != want {
			t.Errorf("%s: %q starts it", state, got)
		}
	}
}
