package directory

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
	"baton/internal/pair/exclude"
)

// followed is a protected directory whose clock the test sets.
type followed struct {
	*testing.T

	kind     *Kind
	dir      string
	now      time.Time
	patterns exclude.Patterns
}

func newFollowed(t *testing.T) *followed {
	t.Helper()
	f := &followed{T: t, dir: filepath.Join(t.TempDir(), "tree"), now: time.Now()}
	f.must(os.Mkdir(f.dir, 0o755))
	var err error
	f.kind, err = New(Options{
		Index: filepath.Join(t.TempDir(), "index"), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return f.now },
		Place: func(pair.Data) string { return f.dir },
	})
	f.must(err)
	t.Cleanup(func() { // the system has few
		if f.kind.notifier != nil {
			f.must(f.kind.notifier.Close())
		}
	})
	return f
}

func (f *followed) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *followed) data() pair.Data {
	return pair.Data{Name: "files", Spec: pair.Directory{Path: "/srv/files", Exclude: f.patterns}}
}

func (f *followed) scan(purpose source.Purpose) source.Scan {
	f.Helper()
	src, err := f.kind.Open(f.data(), purpose)
	f.must(err)
	defer func() { f.must(src.Close()) }()
	src.Keep(func() (manifest.Set, bool) { return manifest.Set{}, false }) // as the engine does
	scan, err := src.Scan(f.Context(), manifest.Newest)
	f.must(err)
	return scan
}

// looked is when the whole was looked at last.
func (f *followed) looked() time.Time { return f.kind.indexAt(f.dir).at }

func (f *followed) write(name, text string) {
	f.Helper()
	f.must(os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o644))
}

func (f *followed) wantHash(scan source.Scan, name, text string) {
	f.Helper()
	h := manifest.Newest.Hash(int64(len(text)))
	_, _ = h.Write([]byte(text))
	if e, found := scan.Listing.Find(name); !found || e.Hash != h.Sum() {
		f.Errorf("%s is not listed as %q", name, text)
	}
}

func TestWhatIsNoticedIsLookedAtAlone(t *testing.T) {
	f := newFollowed(t)
	f.write("a", "1")
	f.scan(source.Serve)
	first := f.looked()
	f.now = f.now.Add(time.Second)
	f.write("a", "22")
	f.write("b", "3")
	scan := f.scan(source.Serve)
	f.wantHash(scan, "a", "22")
	f.wantHash(scan, "b", "3")
	if !f.looked().Equal(first) {
		t.Error("the whole was looked at")
	}
}

// TestTheWholeIsLookedAtNowAndThen has a change that is not noticed: what is hinted is taken away.
func TestTheWholeIsLookedAtNowAndThen(t *testing.T) {
	f := newFollowed(t)
	f.write("a", "1")
	f.scan(source.Serve)
	for _, row := range []struct {
		name    string
		later   time.Duration
		purpose source.Purpose
		seen    bool
	}{
		{"soon", time.Second, source.Serve, false},
		{"after a while", wholeLate, source.Serve, true},
		{"before the role is given away", time.Second, source.Final, true},
	} {
		text := row.name
		f.write("a", text)
		_, err := f.kind.indexAt(f.dir).watch.Take()
		f.must(err)
		f.now = f.now.Add(row.later)
		e, _ := f.scan(row.purpose).Listing.Find("a")
		if seen := e.Size == int64(len(text)); seen != row.seen {
			t.Errorf("%s: seen is %v", row.name, seen)
		}
	}
}

// TestAnotherDirectoryOfThatNameIsLookedAt exchanges the protected directory itself.
func TestAnotherDirectoryOfThatNameIsLookedAt(t *testing.T) {
	f := newFollowed(t)
	f.write("a", "1")
	f.scan(source.Serve)
	f.must(os.Rename(f.dir, f.dir+"-old"))
	f.must(os.Mkdir(f.dir, 0o755))
	f.write("a", "another")
	f.wantHash(f.scan(source.Serve), "a", "another")
}

func TestAChangeIsTold(t *testing.T) {
	f := newFollowed(t)
	f.write("a", "1")
	if _, follows := f.kind.Changed(f.data(), manifest.Listing{}); follows {
		t.Error("what was never looked at is followed")
	}
	scan := f.scan(source.Serve)
	changed, follows := f.kind.Changed(f.data(), scan.Listing)
	if !follows {
		t.Fatal("it is not followed")
	}
	select {
	case <-changed:
		t.Error("it changed before anything did")
	default:
	}
	f.write("a", "2")
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was told")
	}
	f.scan(source.Serve)
	if changed, follows = f.kind.Changed(f.data(), scan.Listing); !follows {
		t.Fatal("it is not followed any more")
	}
	select {
	case <-changed:
	default:
		t.Error("what is other than it was found is not told")
	}
	scan = f.scan(source.Serve)
	f.now = f.now.Add(wholeLate)
	if changed, follows = f.kind.Changed(f.data(), scan.Listing); !follows {
		t.Fatal("it is not followed any more")
	}
	select {
	case <-changed: // else the next data sync would come two seconds later than a change
	default:
		t.Error("the whole is to be looked at, and that is not told")
	}
}

// TestManyDirectoriesTakeOneInstance counts what the kernel has few of.
func TestManyDirectoriesTakeOneInstance(t *testing.T) {
	instances := func() (n int) {
		names, _ := filepath.Glob("/proc/self/fd/*")
		for _, name := range names {
			if target, err := os.Readlink(name); err == nil && target == "anon_inode:inotify" {
				n++
			}
		}
		return n
	}
	before := instances()
	f := newFollowed(t)
	top := f.dir
	for _, name := range []string{"a", "b", "c", "d"} {
		f.dir = filepath.Join(top, name)
		f.must(os.Mkdir(f.dir, 0o755))
		f.scan(source.Serve)
		f.now = f.now.Add(wholeLate)
		f.scan(source.Serve)
		if f.kind.indexAt(f.dir).watch == nil {
			t.Errorf("%s is not followed", name)
		}
	}
	if n := instances() - before; n != 1 {
		t.Errorf("they take %d instances", n)
	}
}

// TestADirectoryThatIsRenamedAndBackKeepsItsFiles has two looks tell of one directory: the one around it, as a whole, and its own.
func TestADirectoryThatIsRenamedAndBackKeepsItsFiles(t *testing.T) {
	for files := 1; files < 60; files++ {
		t.Run(strconv.Itoa(files), func(t *testing.T) {
			f := newFollowed(t)
			f.must(os.Mkdir(f.dir+"/c", 0o755))
			names := make([]string, 0, 2*files)
			for i := range files {
				names = append(names, fmt.Sprintf("c/f%d", i), fmt.Sprintf("f%d", i))
			}
			for _, name := range names {
				f.write(name, "1")
			}
			f.scan(source.Serve)
			f.now = f.now.Add(time.Second)
			f.must(os.Rename(f.dir+"/c", f.dir+"/x"))
			f.must(os.Rename(f.dir+"/x", f.dir+"/c"))
			for _, name := range names {
				f.write(name, "22")
			}
			f.must(os.Chmod(f.dir+"/c", 0o700))
			found := f.scan(source.Serve)
			for _, name := range names {
				if e, is := found.Listing.Find(name); !is || e.Size != 2 {
					t.Fatalf("%s is listed: %v, with %d bytes", name, is, e.Size)
				}
			}
		})
	}
}
