package datasync

import (
	"errors"
	"os"
	"testing"

	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// TestWhatMayNotBeProtectedIsNotTouched has the configuration of either side not allow
// what the other names.
func TestWhatMayNotBeProtectedIsNotTouched(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/f", "content")
	no := func(place, _ string) string { return "The configuration of beta does not allow " + place }
	p.backup.dirs.Allowed = no
	p.backup.reopen(t)
	if _, err := p.tryPull(t, Request{}); !errors.Is(err, source.ErrNotAllowed) || err.Error() != "The configuration of beta does not allow "+p.backup.tree+"." {
		t.Errorf("got %v", err)
	}
	if _, err := os.Lstat(p.backup.tree); err == nil {
		t.Error("the directory was made")
	}
	p.backup.dirs.Allowed = nil
	p.backup.reopen(t)
	p.pull(t)

	p.primary.dirs.Allowed = no
	p.primary.reopen(t)
	p.primary.Offer(p.epoch)
	p.server.Config.Handler = p.primary.Handler()
	if _, err := p.tryPull(t, Request{}); !errors.Is(err, source.ErrNotAllowed) {
		t.Errorf("got %v", err)
	}
	if _, err := p.primary.SetAside(t.Context(), pair.Epoch{Counter: 2, Holder: "b"}, 1<<40); !errors.Is(err, source.ErrNotAllowed) {
		t.Errorf("got %v", err)
	}
	if err := p.backup.Settle(t.Context()); err != nil {
		t.Errorf("a takeover with what is here: %v", err)
	}
}
