package store

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"baton/internal/pair"
)

// saveDocument saves over the site's document, whatever it is.
func saveDocument(ctx context.Context, s *Site, value string) error {
	_, version, err := s.Documents.Get(ctx, "site")
	if err != nil {
		return err
	}
	_, err = s.Documents.Save(ctx, "site", []byte(value), version, pair.Event{Kind: pair.KindSettingChanged, Text: "saved"})
	return err
}

func TestADocumentIsSavedByOneOfTwo(t *testing.T) {
	s := openSite(t, alpha)
	ctx := t.Context()
	value, version, err := s.Documents.Get(ctx, "site")
	if err != nil || value != nil || version != 0 {
		t.Fatalf("before the first save: %q, version %d, %v", value, version, err)
	}
	event := pair.Event{Kind: pair.KindSettingChanged, Text: "ann named the site."}
	if version, err = s.Documents.Save(ctx, "site", []byte(`{"name":"A"}`), 0, event); err != nil || version != 1 {
		t.Fatalf("version %d, %v", version, err)
	}
	for _, stale := range []int64{0, 2, -1} {
		_, err = s.Documents.Save(ctx, "site", []byte(`{"name":"B"}`), stale, event)
		wantCode(t, err, pair.Stale, "somebody else")
	}
	if value, version, err = s.Documents.Get(ctx, "site"); err != nil || string(value) != `{"name":"A"}` || version != 1 {
		t.Errorf("got %q, version %d, %v", value, version, err)
	}
	if version, err = s.Documents.Save(ctx, "site", []byte(`{"name":"C"}`), 1, event); err != nil || version != 2 {
		t.Errorf("version %d, %v", version, err)
	}
	if events := history(t, s, Filter{}); len(events) != 2 {
		t.Errorf("the history has %d events, want one for each save: %v", len(events), events)
	}
}

func TestADocumentThatCannotBeKeptIsRefused(t *testing.T) {
	s := openSite(t, alpha)
	for name, bad := range map[string]struct{ name, value, words string }{
		"no JSON":   {"site", `{"name"`, "not JSON"},
		"empty":     {"site", "", "not JSON"},
		"too large": {"site", `"` + strings.Repeat("x", maxDocument) + `"`, "shorten it"},
		"odd name":  {"No Name", `{}`, "not the name"},
	} {
		_, err := s.Documents.Save(t.Context(), bad.name, []byte(bad.value), 0, pair.Event{Kind: pair.KindSettingChanged})
		if err == nil {
			t.Errorf("%s: saved", name)
			continue
		}
		wantCode(t, err, pair.Refused, bad.words)
	}
	_, err := s.Documents.Save(t.Context(), "site", []byte(`{}`), 0, pair.Event{Kind: "No Kind"})
	if _, version, _ := s.Documents.Get(t.Context(), "site"); err == nil || version != 0 {
		t.Errorf("saved without its event: version %d, %v", version, err)
	}
}

func TestTheLargestDocumentTravelsToTheBackup(t *testing.T) {
	ctx := t.Context()
	from, to := openSite(t, alpha), openSite(t, beta)
	// The characters that an export writes at the greatest length.
	large := `"` + strings.Repeat("<", maxDocument-2) + `"`
	if err := saveDocument(ctx, from, large); err != nil {
		t.Fatal(err)
	}
	var stream bytes.Buffer
	if err := from.Export(ctx, &stream); err != nil {
		t.Fatal(err)
	}
	if err := to.Import(ctx, &stream); err != nil {
		t.Fatal(err)
	}
	if value, version, err := to.Documents.Get(ctx, "site"); err != nil || string(value) != large || version != 1 {
		t.Errorf("%d bytes arrived, version %d, %v", len(value), version, err)
	}
}

func TestADocumentOfThePrimaryIsTakenAsItIs(t *testing.T) {
	from, to := openSite(t, alpha), openSite(t, beta)
	for version := range int64(3) {
		if _, err := from.Documents.Save(t.Context(), "site", []byte(`{"name": "a < b"}`), version, pair.Event{Kind: pair.KindSettingChanged, Text: "saved"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := to.Documents.Save(t.Context(), "site", []byte(`{"name":"of its own"}`), 0, pair.Event{Kind: pair.KindSettingChanged, Text: "saved"}); err != nil {
		t.Fatal(err)
	}
	all, err := from.Documents.List(t.Context())
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	if err := to.Documents.Take(t.Context(), all[0]); err != nil {
		t.Fatal(err)
	}
	if value, version, err := to.Documents.Get(t.Context(), "site"); string(value) != `{"name": "a < b"}` || version != 3 || err != nil {
		t.Errorf("%s, version %d, %v", value, version, err)
	}
	for _, bad := range []Document{{"No Name", []byte(`{}`), 1}, {"site", []byte(`no json`), 1}, {"site", []byte(`{}`), 0}} {
		if err := to.Documents.Take(t.Context(), bad); pair.CodeOf(err) != pair.Refused {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
