package directory

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// bustle changes a tree and a directory beside it on the same disk at random, while others do the same: half of what it tries fails.
type bustle struct {
	*rand.Rand

	tree, beside string
}

func (b bustle) dir() string {
	top := b.tree
	if b.IntN(4) == 0 {
		top = b.beside
	}
	deep := []string{"a", "a/b", "a/a/c", "b", "b/a", "c", "c/b/a", ""}
	return filepath.Join(top, deep[b.IntN(len(deep))])
}

func (b bustle) below() string { return b.dir() + "/" + string("abc"[b.IntN(3)]) }

func (b bustle) file() string { return fmt.Sprintf("%s/f%d", b.dir(), b.IntN(6)) }

func (b bustle) write(path string) { _ = os.WriteFile(path, make([]byte, b.IntN(60)), 0o644) }

func (b bustle) step() {
	switch b.IntN(16) {
	case 0, 1, 2:
		_ = os.Mkdir(b.below(), 0o755)
	case 3, 4, 5:
		b.write(b.file())
	case 6:
		b.slowly(b.file())
	case 7:
		_ = os.Rename(b.file(), b.file())
	case 8, 9:
		_ = unix.Rename(b.below(), b.below())
	case 10:
		_ = unix.Renameat2(unix.AT_FDCWD, b.below(), unix.AT_FDCWD, b.below(), unix.RENAME_EXCHANGE)
	case 11:
		b.outAndBack(b.below())
	case 12:
		if b.IntN(6) == 0 {
			_ = os.RemoveAll(b.below())
		}
	case 13:
		_ = os.Chmod(b.dir(), os.FileMode(0o700+b.IntN(64)))
	case 14:
		_ = os.Remove(b.file())
	case 15:
		_ = os.Truncate(b.file(), b.Int64N(80))
	}
}

// slowly writes to a file in several steps.
func (b bustle) slowly(path string) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	for range b.IntN(4) {
		_, _ = f.WriteAt([]byte{byte(b.Uint32())}, b.Int64N(50))
		time.Sleep(time.Duration(b.IntN(100)) * time.Microsecond)
	}
}

// outAndBack renames a directory out of the tree, changes it there, and renames it back.
func (b bustle) outAndBack(dir string) {
	out := fmt.Sprintf("%s/m%d", b.beside, b.Uint32())
	if unix.Rename(dir, out) != nil {
		return
	}
	b.write(out + "/f1")
	b.write(out + "/a/f1")
	if unix.Rename(out, dir) != nil {
		_ = os.RemoveAll(out)
	}
}

// TestWhatIsSaidNotToChangeIsListed (BATON_SEEDS sets how often, TMPDIR on which disk) has a tree changed by several at once while it is
// looked at. Whenever it is said then that nothing has changed, a look at the whole has to find what is listed.
func TestWhatIsSaidNotToChangeIsListed(t *testing.T) {
	seeds := uint64(15)
	_, _ = fmt.Sscan(os.Getenv("BATON_SEEDS"), &seeds)
	for _, by := range []string{"helper", "inotify"} {
		t.Run(by, func(t *testing.T) {
			f, end := newFollowed(t), func() {}
			f.kind.opt.Now = time.Now
			f.kind.opt.Whole = time.Hour
			socket := filepath.Join(t.TempDir(), "socket")
			if by == "helper" {
				f.kind.opt.Helper = socket
				end = f.helped(socket, anything)
			}
			defer func() { end() }()
			if f.scan(source.Serve); f.followedBy() != by {
				t.Skip("it cannot be followed so here")
			}
			b := bustle{nil, f.dir, filepath.Join(filepath.Dir(f.dir), "beside")}
			f.must(os.Mkdir(b.beside, 0o755))
			said := 0
			for seed := range seeds {
				b.Rand = rand.New(rand.NewPCG(seed, 7))
				if by == "helper" && seed%8 == 7 { // it ends, and another begins
					end()
					end = f.helped(socket, anything)
				}
				f.busy(b)
				if f.settles() {
					said++
					f.wantAllListed(strconv.FormatUint(seed, 10))
				}
				if t.Failed() {
					return
				}
			}
			t.Logf("of %d times it was said %d times that nothing has changed; followed by %q", seeds, said, f.followedBy())
			if said == 0 {
				t.Error("it was never said that nothing has changed")
			}
		})
	}
}

// busy has the tree changed by several for a moment, and looked at meanwhile.
func (f *followed) busy(b bustle) {
	f.Helper()
	ctx, stop := context.WithTimeout(f.Context(), time.Duration(10+b.IntN(120))*time.Millisecond)
	defer stop()
	var all sync.WaitGroup
	for range 1 + b.IntN(8) {
		one := bustle{rand.New(rand.NewPCG(b.Uint64(), 2)), b.tree, b.beside}
		all.Go(func() {
			for ctx.Err() == nil {
				one.step()
			}
		})
	}
	for ctx.Err() == nil {
		switch b.IntN(8) {
		case 0:
			f.looks(source.Final)
		case 1, 2, 3:
			f.looks(source.Serve)
		}
		_, _ = f.kind.Changed(f.data(), f.kind.indexAt(f.dir).known())
	}
	all.Wait()
}

// looks scans; the tree may change too much for that.
func (f *followed) looks(purpose source.Purpose) {
	f.Helper()
	src, err := f.kind.Open(f.data(), purpose)
	f.must(err)
	defer func() { f.must(src.Close()) }()
	src.Keep(func() (manifest.Set, bool) { return manifest.Set{}, false })
	_, _ = src.Scan(f.Context(), manifest.Newest)
}

// settles scans until it is said that nothing has changed.
func (f *followed) settles() bool {
	f.Helper()
	for range 10 {
		if changed, follows := f.kind.Changed(f.data(), f.kind.indexAt(f.dir).known()); follows {
			select {
			case <-changed:
			default:
				return true
			}
		}
		f.looks(source.Serve)
	}
	return false
}

// wantAllListed compares what is listed with what one who never looked before finds.
func (f *followed) wantAllListed(when string) {
	f.Helper()
	listed := f.kind.indexAt(f.dir).known()
	kind, err := New(Options{Index: f.TempDir(), Log: slog.New(slog.DiscardHandler), Place: func(pair.Data) string { return f.dir }})
	f.must(err)
	other := followed{T: f.T, kind: kind, dir: f.dir}
	found := other.scan(source.Final).Listing
	if found.Digest() == listed.Digest() {
		return
	}
	var lines strings.Builder
	for e := range found.All() {
		if at, _ := listed.Find(e.Path); fmt.Sprint(e) != fmt.Sprint(at.Entry) {
			fmt.Fprintf(&lines, "\n%+v\nis listed as %+v", e, at.Entry)
		}
	}
	for e := range listed.All() {
		if _, is := found.Find(e.Path); !is {
			fmt.Fprintf(&lines, "\n%v is listed, and is not there", e)
		}
	}
	f.Errorf("%s: followed by %q, it was said that nothing has changed:%s", when, f.followedBy(), lines.String())
}
