package store

import (
	"bytes"
	"path/filepath"
	"testing"
)

func TestTheOutboxIsTheAppliancesOwn(t *testing.T) {
	ctx := t.Context()
	primary, backup := openSite(t, alpha), openSite(t, beta)
	for _, value := range []string{`{"of":"an earlier moment"}`, `{"of":"beta"}`} {
		if err := backup.Outbox.Save(ctx, []byte(value)); err != nil {
			t.Fatal(err)
		}
	}
	if err := primary.Outbox.Save(ctx, []byte(`{"of":"alpha"}`)); err != nil {
		t.Fatal(err)
	}
	var export bytes.Buffer
	if err := primary.Export(ctx, &export); err != nil {
		t.Fatal(err)
	}
	if err := backup.Import(ctx, &export); err != nil {
		t.Fatal(err)
	}
	if value, err := backup.Outbox.Read(ctx); err != nil || string(value) != `{"of":"beta"}` {
		t.Errorf("after the import the backup has to tell %s (%v)", value, err)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := primary.Copy(ctx, path); err != nil {
		t.Fatal(err)
	}
	if value, err := reopenSite(t, path, alpha).Outbox.Read(ctx); err != nil || value != nil {
		t.Errorf("a copy of the database has %q to tell (%v)", value, err)
	}
}
