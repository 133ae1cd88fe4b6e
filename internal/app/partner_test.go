package app

import (
	"errors"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baton/internal/config"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/store/local"
)

// pairedAppliance is one that is not running, paired with the appliance id.
func pairedAppliance(tb testing.TB, id pair.ApplianceID) *Appliance {
	tb.Helper()
	return pairedAs(tb, id, pair.Record{})
}

// pairedAs is one with a part in the pair.
func pairedAs(tb testing.TB, id pair.ApplianceID, record pair.Record) *Appliance {
	tb.Helper()
	c := config.Default()
	c.DataDir, c.Listen = tb.TempDir(), []string{"127.0.0.1:0"}
	dir := filepath.Join(c.DataDir, "local")
	log := slog.New(slog.DiscardHandler)
	secrets := peer.Secrets{Peer: &peer.Pinned{ID: id, Pin: strings.Repeat(string(id), 2), PairID: "p", Addresses: []string{"198.51.100.2:443"}}}
	first, err := New(tb.Context(), c, "test", log)
	if err != nil {
		tb.Fatal(err)
	}
	if err := first.Close(); err != nil {
		tb.Fatal(err)
	}
	own, err := local.Open(dir, first.identity.ID(), log)
	if err != nil {
		tb.Fatal(err)
	}
	saved := own.Save(tb.Context(), func(s *local.State) { s.Record = record })
	if err := errors.Join(saved, own.SaveSecrets(secrets), own.Close()); err != nil {
		tb.Fatal(err)
	}
	a, err := New(tb.Context(), c, "test", log)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = a.Close() })
	return a
}

func TestNonsenseOfThePeerIsRefusedAndNoSignOfDeath(t *testing.T) {
	id := pair.ApplianceID("0123456789abcdef0123456789abcdef")
	a := pairedAppliance(t, id)
	good := pair.View{ID: id, PairID: "p", Role: pair.Primary, Epoch: pair.Epoch{Counter: 7, Holder: id}, Timeout: 5 * time.Second}
	if err := a.checkView(good); err != nil {
		t.Fatalf("an honest view is refused: %v", err)
	}
	for name, spoil := range map[string]func(*pair.View){
		"another appliance":   func(v *pair.View) { v.ID = a.identity.ID() },
		"nobody":              func(v *pair.View) { v.ID = "" },
		"last epoch there is": func(v *pair.View) { v.Epoch.Counter = math.MaxUint64 },
		"far epoch":           func(v *pair.View) { v.Epoch.Counter = maxEpochJump + 1 },
		"no timeout":          func(v *pair.View) { v.Timeout = 0 },
		"negative timeout":    func(v *pair.View) { v.Timeout = math.MinInt64 },
		"tiny timeout":        func(v *pair.View) { v.Timeout = 1 },
		"endless timeout":     func(v *pair.View) { v.Timeout = math.MaxInt64 },
	} {
		view := good
		spoil(&view)
		err := a.checkView(view)
		if !errors.Is(err, peer.ErrSenseless) || peer.Classify(err) == pair.NoAnswer {
			t.Errorf("%s: %v", name, err)
		}
	}
}
