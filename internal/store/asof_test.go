package store

import (
	"bytes"
	"database/sql"
	"path/filepath"
	"testing"

	"baton/internal/pair"
	"baton/internal/store/asof"
)

// reads counts how often a value is read from the database.
type reads struct {
	kept  asof.Value[int]
	count int
}

func (r *reads) get(t *testing.T, s *Site) {
	t.Helper()
	_, err := r.kept.Read(t.Context(), s.db.counter, func() (int, error) {
		r.count++
		return r.count, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What was read is read again once somebody has written, this process or another, and not before.
func TestWhatWasReadIsKeptUntilSomebodyWrites(t *testing.T) {
	s := openSite(t, alpha)
	var r reads
	want := func(count int, when string) {
		t.Helper()
		for range 3 {
			r.get(t, s)
		}
		if r.count != count {
			t.Errorf("%s: read %d times so far, want %d", when, r.count, count)
		}
	}
	want(1, "at first")
	if err := s.Data.Add(t.Context(), pair.Data{Name: "pages", Spec: pair.Directory{Path: "/srv/pages"}}); err != nil {
		t.Fatal(err)
	}
	want(2, "after a change")
	other, err := sql.Open("sqlite", dsn(s.db.path, "")) // as of another program
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	if _, err := other.ExecContext(t.Context(), `DELETE FROM data`); err != nil {
		t.Fatal(err)
	}
	want(3, "after another program has written")
	if _, err := other.ExecContext(t.Context(), `PRAGMA wal_checkpoint(TRUNCATE)`); err != nil {
		t.Fatal(err)
	}
	r.get(t, s) // may be read again
	if _, err := other.ExecContext(t.Context(), `INSERT INTO data (name, kind, path) VALUES ('other', 'dir', '/srv/other')`); err != nil {
		t.Fatal(err)
	}
	count := r.count
	want(count+1, "after the log was emptied and written to")
}

// A new connection counts anew, and may come to a number that was there before.
func TestAnotherConnectionIsNeverInTheSameState(t *testing.T) {
	s := openSite(t, alpha)
	var r reads
	r.get(t, s)
	if err := s.db.counter.Close(); err != nil {
		t.Fatal(err)
	}
	if r.get(t, s); r.count != 2 {
		t.Errorf("read %d times, want again by the new connection", r.count)
	}
}

// What each reader sees at once is what was written last.
func TestReadersSeeWhatWasJustWritten(t *testing.T) {
	s := openSite(t, alpha)
	for i, name := range []string{"one", "two", "three"} {
		if err := s.Data.Add(t.Context(), pair.Data{Name: name, Spec: pair.Directory{Path: pair.Path("/srv/" + name)}}); err != nil {
			t.Fatal(err)
		}
		list, err := s.Data.List(t.Context())
		if err != nil || len(list) != i+1 {
			t.Errorf("listed %v, error %v", list, err)
		}
		if len(list) > 0 {
			list[0] = pair.Data{} // belongs to the caller
		}
		var export bytes.Buffer
		if err := s.Export(t.Context(), &export); err != nil || !bytes.Contains(export.Bytes(), []byte(`"`+name+`"`)) {
			t.Errorf("an export without %s: %s, error %v", name, export.Bytes(), err)
		}
	}
}

func BenchmarkUnchanged(b *testing.B) {
	s, err := OpenSite(b.Context(), filepath.Join(b.TempDir(), "site.db"), alpha, quiet())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Data.List(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("list, read", func(b *testing.B) {
		for b.Loop() {
			if _, err := readData(b.Context(), s.db.reader); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("export", func(b *testing.B) {
		var export bytes.Buffer
		for b.Loop() {
			export.Reset()
			if err := s.Export(b.Context(), &export); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("export, read", func(b *testing.B) {
		var export bytes.Buffer
		for b.Loop() {
			export.Reset()
			if err := s.db.export(b.Context(), &export); err != nil {
				b.Fatal(err)
			}
		}
	})
}
