package exchange

import (
	"context"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/act/acttest"
	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/inforce"
	"baton/internal/pair"
	"baton/internal/peer/wire"
	"baton/internal/status"
	"baton/internal/store"
)

func TestExchangeOfLongEventsFitsIntoAMessage(t *testing.T) {
	long := pair.Event{ID: "x", Text: strings.Repeat("<", 4096)} // six bytes each in JSON
	events := slices.Repeat([]pair.Event{long}, wire.ExchangeEvents)
	sent := 0
	for rounds := 0; sent < len(events); rounds++ {
		some := fitting(events[sent:], wire.MaxSize/2)
		text, err := json.Marshal(wire.Exchange{Events: some})
		if err != nil || len(text) > wire.MaxSize || len(some) == 0 || rounds > 100 {
			t.Fatalf("%d events, %d bytes, %v", len(some), len(text), err)
		}
		sent += len(some)
	}
	if got := fitting(events[:3], wire.MaxSize/2); len(got) != 3 {
		t.Errorf("%d of 3 that fit", len(got))
	}
}

// TestAFullDiskTakesNoHistoryOfThePeer has the peer tell more and more: what room is left
// is for what happens here.
func TestAFullDiskTakesNoHistoryOfThePeer(t *testing.T) {
	x := newExchange(t)
	other := pair.ApplianceID(strings.Repeat("ab", 16))
	told := wire.Exchange{Events: []pair.Event{
		{ID: pair.EventID(other, 1), Appliance: other, Time: time.Now(), Kind: "noise", Text: "more"},
	}}
	heads := func() int64 {
		answer, err := x.Answer(t.Context(), told)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Heads[other]
	}
	x.Full = func() bool { return true }
	if heads() != 0 {
		t.Error("taken, though the disk is nearly full")
	}
	x.Full = func() bool { return false }
	if heads() != 1 {
		t.Error("not taken, once there is room")
	}
}

// newExchange is that of the primary of a pair.
func newExchange(t *testing.T) *Exchange {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	self := pair.ApplianceID(strings.Repeat("a", 32))
	site, err := store.OpenSite(t.Context(), filepath.Join(t.TempDir(), "site.db"), self, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = site.Close() })
	loop := acttest.NewAgent()
	loop.Show(func(s *agent.Decision) { s.State.Record.Role = pair.Primary })
	return &Exchange{
		Agent: loop, Link: &acttest.Link{}, Store: site, Settings: inforce.NewSettings(pair.DefaultSettings(), 1), Overview: &status.Overview{},
		Documents: func(context.Context) { t.Error("a primary goes by what it is told") }, Full: func() bool { return false }, Log: log,
	}
}

func TestDocumentsAreToldToABackupThatHasThemOtherwise(t *testing.T) {
	x := newExchange(t)
	save := func(name, text string, version int64) {
		t.Helper()
		if _, err := x.Store.Documents.Save(t.Context(), name, []byte(text), version, pair.Event{Kind: pair.KindSettingChanged, Text: "saved"}); err != nil {
			t.Fatal(err)
		}
	}
	save("site", `{"name": "a < b"}`, 0)
	save("notifications", `{"daily_at":"08:00"}`, 0)
	held := x.heldDocuments(t.Context())
	if told := x.otherDocuments(t.Context(), held); len(told) != 0 {
		t.Errorf("one that has all is told %+v", told)
	}
	save("site", `{"name": "c"}`, 1)
	told := x.otherDocuments(t.Context(), held)
	if len(told) != 1 || told[0].Name != "site" || told[0].Value != `{"name": "c"}` || told[0].Version != 2 {
		t.Errorf("told %+v", told)
	}
	if told := x.otherDocuments(t.Context(), nil); told != nil {
		t.Errorf("one that does not ask is told %+v", told)
	}
	x.takeDocuments(t.Context(), told) // a primary takes none
	if _, version, err := x.Store.Documents.Get(t.Context(), "site"); version != 2 || err != nil {
		t.Errorf("version %d, %v", version, err)
	}
}

// What a backup has taken over from its primary outlives a restart, also where the next data
// sync is a day away.
func TestSettingsThatABackupTakesOverAreDurable(t *testing.T) {
	x := newExchange(t)
	x.Agent.(*acttest.Agent).Show(func(d *agent.Decision) {
		s := &d.State
		s.Record.Role, s.Peer.Role, s.PrimaryHeard.Set = pair.Backup, pair.Primary, true
	})
	told := pair.DefaultSettings()
	told.PrimaryTimeout = 30 * time.Second
	x.Enforce = func(*failover.Config) {}
	x.adopt(t.Context(), wire.Exchange{Settings: pair.Texts(told), SettingsVersion: 7})
	if saved, version, err := x.Store.Settings.Get(t.Context()); saved.PrimaryTimeout != told.PrimaryTimeout || version != 7 || err != nil {
		t.Errorf("saved %v, version %d, %v", saved.PrimaryTimeout, version, err)
	}
	if now, version := x.Settings.Versioned(); now.PrimaryTimeout != told.PrimaryTimeout || version != 7 {
		t.Errorf("in force %v, version %d", now.PrimaryTimeout, version)
	}
}
