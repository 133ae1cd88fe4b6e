package app

import (
	"testing"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/pair"
)

// TestAFailedPairingIsInTheHistoryInWordsOfAPerson: what the library says stands
// behind Details.
func TestAFailedPairingIsInTheHistoryInWordsOfAPerson(t *testing.T) {
	b := withUsers(t)
	if _, err := b.SetKey(fromLocal(t.Context()), "a key for both machines"); err != nil {
		t.Fatal(err)
	}
	_, err := b.Pair(fromLocal(t.Context()), api.PairRequest{Address: "127.0.0.1:1"})
	if pair.CodeOf(err) != pair.Unreachable || cause.Rough(err.Error()) {
		t.Errorf("got %v", err)
	}
	b.history.flush(t.Context())
	events, err := b.History(t.Context(), api.HistoryFilter{Kinds: []string{pair.KindPairingFailed}, Limit: 10})
	if err != nil || len(events) == 0 {
		t.Fatalf("events %v, %v", events, err)
	}
	for _, event := range events {
		if cause.Rough(event.Text) || !cause.Rough(event.Detail[pair.DetailCause]) {
			t.Errorf("%s: %v", event.Text, event.Detail)
		}
	}
}
