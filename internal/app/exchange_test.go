package app

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"baton/internal/pair"
	"baton/internal/peer/wire"
)

func TestExchangeOfLongEventsFitsIntoAMessage(t *testing.T) {
	long := pair.Event{ID: "x", Text: strings.Repeat("<", 4096)} // six bytes each in JSON
	events := slices.Repeat([]pair.Event{long}, wire.ExchangeEvents)
	sent := 0
	for rounds := 0; sent < len(events); rounds++ {
		some := fitting(events[sent:], wire.MaxSize/2)
		text, err := json.Marshal(wire.Exchange{Version: wire.Version, Events: some})
		if err != nil || len(text) > wire.MaxSize || len(some) == 0 || rounds > 100 {
			t.Fatalf("%d events, %d bytes, %v", len(some), len(text), err)
		}
		sent += len(some)
	}
	if got := fitting(events[:3], wire.MaxSize/2); len(got) != 3 {
		t.Errorf("%d of 3 that fit", len(got))
	}
}
