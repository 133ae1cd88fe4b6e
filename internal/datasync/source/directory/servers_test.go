package directory

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
	"baton/internal/pair/exclude"
)

// postgres makes db the directory of a server that is in a state: 1 is shut down, 6 in production.
func (f *followed) postgres(state byte) {
	f.Helper()
	f.must(os.MkdirAll(filepath.Join(f.dir, "db", "global"), 0o755))
	f.must(os.MkdirAll(filepath.Join(f.dir, "db", "base"), 0o755))
	b := make([]byte, 8192)
	binary.NativeEndian.PutUint32(b[8:], 1300)
	b[16] = state
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		b[16], b[19] = 0, state
	}
	f.write("db/PG_VERSION", "15")
	f.write("db/global/pg_control", string(b))
}

// has is a listing that the peer has.
func (f *followed) serve(has manifest.Listing) (source.Scan, error) {
	f.Helper()
	src, err := f.kind.Open(f.data(), source.Serve)
	f.must(err)
	defer func() { f.must(src.Close()) }()
	src.Keep(func() (manifest.Set, bool) { return manifest.Set{Data: f.data(), Listing: has}, true })
	return src.Scan(f.Context(), manifest.Newest)
}

func (f *followed) wantHeld(scan source.Scan, held ...string) {
	f.Helper()
	var found []string
	for _, one := range scan.Moving {
		found = append(found, one.Path)
	}
	if len(found) != len(held) || (len(held) > 0 && found[0] != held[0]) {
		f.Errorf("left as the peer has them: %v, want %v", found, held)
	}
}

func TestWhatADatabaseServerSaysOfItself(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(f *followed)
		inUse  bool
	}{
		{"shut down", func(*followed) {}, false},
		{"shut down as a standby", func(f *followed) { f.postgres(2) }, false},
		{"in production", func(f *followed) { f.postgres(6) }, true},
		{"being shut down", func(f *followed) { f.postgres(3) }, true},
		{"it has a process", func(f *followed) { f.write("db/postmaster.pid", "1") }, true},
		{"cut off", func(f *followed) { f.write("db/global/pg_control", "short") }, true},
		{"of an unknown version", func(f *followed) { f.write("db/global/pg_control", string(bytes.Repeat([]byte{1}, 100))) }, true},
		{"of none", func(f *followed) { f.must(os.Remove(filepath.Join(f.dir, "db/global/pg_control"))) }, false},
		{"excluded", func(f *followed) { f.postgres(6); f.patterns, _ = exclude.Parse([]string{"db/"}) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFollowed(t)
			f.postgres(1)
			row.change(f)
			scan, err := f.serve(manifest.Listing{})
			f.must(err)
			if row.inUse != (len(scan.Moving) == 1) {
				t.Errorf("left are %v", scan.Moving)
			}
		})
	}
}

// TestADatabaseServerThatBeginsIsNoticed has it begin after it was looked at, and write all the time.
func TestADatabaseServerThatBeginsIsNoticed(t *testing.T) {
	f := newFollowed(t)
	f.postgres(1)
	f.write("db/base/table", "at rest")
	f.write("page", "1")
	first, err := f.serve(manifest.Listing{})
	f.must(err)
	f.wantHeld(first)
	f.now = f.now.Add(time.Second)
	f.write("db/base/table", "written")
	f.postgres(6)
	scan, err := f.serve(first.Listing)
	f.must(err)
	f.wantHeld(scan, "db")
	looked := f.looked()
	for range 3 {
		f.now = f.now.Add(time.Second)
		f.write("db/base/table", "more")
		f.write("page", "2")
		scan, err = f.serve(first.Listing)
		f.must(err)
		f.wantHeld(scan, "db")
		f.wantHash(scan, "db/base/table", "at rest")
		f.wantHash(scan, "page", "2")
	}
	if !f.looked().Equal(looked) {
		t.Error("the whole was looked at, for one that runs on")
	}
	f.wantHash(f.scan(source.Receive), "db/base/table", "more")
	scan, err = f.serve(first.Listing)
	f.must(err)
	f.wantHash(scan, "db/base/table", "at rest")
	f.postgres(1)
	scan, err = f.serve(first.Listing)
	f.must(err)
	f.wantHeld(scan)
	f.wantHash(scan, "db/base/table", "more")
}

// TestADatabaseServerThatBeginsWhileItIsLookedAt has it begin, and end again, at each moment of a look, which asks the clock many times.
// What is listed is of one moment, or nothing.
func TestADatabaseServerThatBeginsWhileItIsLookedAt(t *testing.T) {
	for _, row := range []struct {
		name string
		ends byte
	}{{"and runs", 6}, {"and ends", 1}} {
		t.Run(row.name, func(t *testing.T) {
			for moment := 1; moment < 30; moment++ {
				f := newFollowed(t)
				f.postgres(1)
				tables := []string{"db/base/a", "db/base/b", "db/base/c"}
				for _, table := range tables {
					f.write(table, "at rest")
				}
				asked := atomic.Int32{}
				f.kind.opt.Now = func() time.Time {
					if asked.Add(1) == int32(moment) {
						f.postgres(row.ends)
						for _, table := range tables {
							f.write(table, "written by it")
						}
					}
					return time.Now()
				}
				scan, err := f.serve(manifest.Listing{})
				f.must(err)
				found := map[int64]bool{}
				for _, table := range tables {
					e, _ := scan.Listing.Find(table)
					found[e.Size] = true
				}
				if len(found) != 1 {
					t.Errorf("moment %d: sizes %v", moment, found)
				}
				if row.ends == 6 && !found[0] && !found[int64(len("at rest"))] {
					t.Errorf("moment %d: of one that runs is listed %v", moment, found)
				}
			}
		})
	}
}

// TestWhatADatabaseServerWritesIsNotSent changes files between the scan and the sending.
func TestWhatADatabaseServerWritesIsNotSent(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(f *followed, path string)
		sent   bool
	}{
		{"nothing", func(*followed, string) {}, true},
		{"another", func(f *followed, path string) { f.write(path, "written") }, false},
		{"appended", func(f *followed, path string) { f.write(path, "at rest and more") }, false},
		{"gone", func(f *followed, path string) { f.must(os.Remove(filepath.Join(f.dir, path))) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFollowed(t)
			f.postgres(1)
			f.write("db/base/table", "at rest")
			scan, err := f.serve(manifest.Listing{})
			f.must(err)
			e, _ := scan.Listing.Find("db/base/table")
			row.change(f, "db/base/table")
			r, err := scan.Content.Open()
			f.must(err)
			defer func() { f.must(r.Close()) }()
			for range 2 * tooOften {
				_, err = r.Send(t.Context(), e.Entry, source.Have{}, nowhere{})
				if (err == nil) != row.sent || (err != nil && (!errors.Is(err, source.ErrChanging) || errors.Is(err, fs.ErrNotExist))) {
					t.Fatalf("it ended with %v", err)
				}
			}
			if moving := f.kind.indexAt(f.dir).movingNow(); len(moving) > 0 {
				t.Errorf("left are %v", moving)
			}
		})
	}
}

// nowhere is a sink that forgets.
type nowhere struct{ source.Whole }

func (nowhere) Data([]byte) error { return nil }
func (nowhere) Hole(int64) error  { return nil }

// TestADatabaseServerIsNoneToARecipient has nothing left out by who replaces it.
func TestADatabaseServerIsNoneToARecipient(t *testing.T) {
	f := newFollowed(t)
	f.postgres(6)
	for _, purpose := range []source.Purpose{source.Receive, source.Recover} {
		src, err := f.kind.Open(pair.Data{Name: "files", Spec: pair.Directory{Path: "/srv/files"}}, purpose)
		f.must(err)
		scan, err := src.Scan(t.Context(), manifest.Newest)
		f.must(errors.Join(err, src.Close()))
		if _, is := scan.Listing.Find("db/PG_VERSION"); !is || len(scan.Moving) > 0 {
			t.Errorf("purpose %d: left are %v", purpose, scan.Moving)
		}
	}
}
