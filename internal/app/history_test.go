package app

import (
	"slices"
	"strings"
	"testing"

	"baton/internal/pair"
)

// An event that the database never takes keeps no other out.
func TestAnEventThatIsRefusedBlocksNoOther(t *testing.T) {
	t.Parallel()
	a := withUsers(t)
	a.history.Record(pair.Event{Kind: "no kind", Text: "Refused."})
	a.history.Record(pair.Event{Kind: pair.KindSettingChanged, Text: "Taken."})
	texts := told(t, a, pair.KindSettingChanged)
	if !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, "Taken.") }) {
		t.Errorf("the history holds %q", texts)
	}
	if !a.history.flush(t.Context()) {
		t.Error("something still waits")
	}
}
