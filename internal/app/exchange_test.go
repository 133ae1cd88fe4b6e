package app

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
	"baton/internal/peer/wire"
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
	b := withUsers(t)
	other := pair.ApplianceID(strings.Repeat("ab", 16))
	told := wire.Exchange{Events: []pair.Event{
		{ID: pair.EventID(other, 1), Appliance: other, Time: time.Now(), Kind: "noise", Text: "more"},
	}}
	heads := func() int64 {
		answer, err := b.exchanged(t.Context(), told)
		if err != nil {
			t.Fatal(err)
		}
		return answer.Heads[other]
	}
	b.full = func() bool { return true }
	if heads() != 0 {
		t.Error("taken, though the disk is nearly full")
	}
	b.full = func() bool { return false }
	if heads() != 1 {
		t.Error("not taken, once there is room")
	}
}
