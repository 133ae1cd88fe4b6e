package datasync

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/datasync/ledger"
	"baton/internal/datasync/source"
)

// rot flips a bit of a file, whose size and times of content stay, and returns what puts it back.
func rot(tb testing.TB, path string, bit int64) (back func()) {
	tb.Helper()
	info, err := os.Stat(path)
	must(tb, err)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(tb, err)
	defer func() { _ = f.Close() }()
	b := make([]byte, 1)
	_, err = f.ReadAt(b, bit/8)
	must(tb, err)
	was := b[0]
	write := func(f *os.File, b byte) error {
		_, err := f.WriteAt([]byte{b}, bit/8)
		return errors.Join(err, os.Chtimes(path, info.ModTime(), info.ModTime()))
	}
	must(tb, write(f, was^1<<(bit%8)))
	return func() {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		must(tb, err)
		must(tb, errors.Join(write(f, was), f.Close()))
	}
}

// ownFiles are the files of the sync directory that hold something.
func ownFiles(tb testing.TB, a *appliance) (paths []string) {
	tb.Helper()
	must(tb, filepath.WalkDir(a.opt.Dir, func(path string, e fs.DirEntry, err error) error {
		if e.Name() == "diverged" {
			return fs.SkipDir
		}
		if err != nil || !e.Type().IsRegular() || strings.HasSuffix(path, ".mark") || strings.HasSuffix(path, ".spare") {
			return err
		}
		if info, err := e.Info(); err != nil || info.Size() == 0 {
			return err
		}
		paths = append(paths, path)
		return nil
	}))
	return paths
}

// TestABitThatFlipsInWhatTheSyncKeepsIsNoticed flips a bit in a file of the sync directory of either side, at rest and while a snapshot is
// recorded. Either the file is named as damaged, or the next sync brings what the primary has.
func TestABitThatFlipsInWhatTheSyncKeepsIsNoticed(t *testing.T) {
	named, healed := map[string]int{}, map[string]int{}
	for _, seed := range seeds(t, 2) {
		r := rand.New(rand.NewPCG(seed, 1))
		p := newPair(t)
		change := unrest{r, p.primary.tree}
		change.fill()
		write(t, p.primary.tree+"/large", noise(largeSize))
		p.pull(t)
		for range 12 {
			for range 3 {
				change.act()
			}
			write(t, p.primary.tree+"/large", noise(largeSize)) // if it is gone
			edit(t, p.primary.tree+"/large", r.Int64N(largeSize), "changed")
			side := []*appliance{p.primary, p.backup}[r.IntN(2)]
			if r.IntN(2) == 0 {
				cutAt(t, p, "recorded")
				side = p.backup
			}
			files := ownFiles(t, side)
			path := files[r.IntN(len(files))]
			info, err := os.Stat(path)
			must(t, err)
			back := rot(t, path, r.Int64N(8*info.Size()))
			kind := filepath.Base(path)
			if dir := filepath.Base(filepath.Dir(path)); dir != "sync" {
				kind = dir
			}
			if _, err := Open(t.Context(), side.opt); err != nil {
				if !strings.Contains(err.Error(), path+" is damaged") {
					t.Fatalf("seed %d, %s: %v", seed, path, err)
				}
				named[kind]++
				back()
			} else {
				healed[kind]++
			}
			side.reopen(t)
			p.serve()
			if err := p.backup.Settle(t.Context()); err != nil && !errors.Is(err, ledger.ErrTorn) {
				t.Fatalf("seed %d, %s: %v", seed, path, err)
			}
			if _, err := p.tryPull(t, Request{AcceptShrink: true}); err != nil {
				t.Fatalf("seed %d, %s: %v", seed, path, err)
			}
			must(t, p.backup.Torn())
			if diff := difference(everything(t, p.primary), everything(t, p.backup)); diff != "" {
				t.Fatalf("seed %d, %s:\n%s", seed, path, diff)
			}
		}
	}
	t.Logf("named: %v, healed: %v", named, healed)
}

// rotting calls rot once all of an answer with content has come.
type rotting struct {
	rot func()
}

// RoundTrip implements http.RoundTripper.
func (r rotting) RoundTrip(q *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(q)
	if err == nil && strings.HasSuffix(q.URL.Path, "content") {
		answer.Body = rottingBody{answer.Body, r.rot}
	}
	return answer, err
}

type rottingBody struct {
	io.ReadCloser

	rot func()
}

func (b rottingBody) Close() error {
	b.rot()
	return b.ReadCloser.Close()
}

// TestABitThatFlipsInTheStagingIsNoticed flips a bit of what has come and was checked, by this sync, by one before it of this process, and by
// a former process.
func TestABitThatFlipsInTheStagingIsNoticed(t *testing.T) {
	for _, name := range []string{"in/small", "in/dir/new", "in/medium", "in/large", "patch"} {
		for _, when := range []string{"in this sync", "before this sync", "before this process"} {
			t.Run(name+" "+when, func(t *testing.T) {
				p := newPair(t)
				write(t, p.primary.tree+"/patched", noise(largeSize))
				p.pull(t)
				edit(t, p.primary.tree+"/patched", 5<<20, "changed")
				write(t, p.primary.tree+"/small", "small")
				write(t, p.primary.tree+"/dir/new", "in a new directory")
				write(t, p.primary.tree+"/medium", noise(700<<10))
				write(t, p.primary.tree+"/large", noise(3<<20))
				rotten := false
				flip := func() {
					path := filepath.Join(p.backup.tree, ".baton-staging", name)
					bit := int64(3)
					if name == "patch" {
						found, err := filepath.Glob(filepath.Join(p.backup.tree, ".baton-staging", "patch-*"))
						must(t, err)
						path, bit = found[0], 8*(5<<20+2)
					}
					rot(t, path, bit)
					rotten = true
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				client := &http.Client{Transport: rotting{func() {
					if when == "in this sync" && !rotten {
						flip()
					}
				}}}
				p.backup.opt.Hook = func(step string) {
					if when != "in this sync" && !rotten && step == "sync-staging" {
						cancel()
					}
				}
				p.backup.reopen(t)
				_, err := p.backup.Pull(ctx, client, p.server.URL, Request{Epoch: p.epoch})
				if when != "in this sync" {
					if !errors.Is(err, context.Canceled) {
						t.Fatal(err)
					}
					flip()
				}
				if when == "before this process" {
					p.backup.reopen(t)
				}
				if when == "in this sync" && (!errors.Is(err, source.ErrChanging) || !strings.Contains(err.Error(), "changed in the staging")) {
					t.Errorf("told: %v", err)
				}
				if !rotten {
					t.Fatal("nothing was flipped")
				}
				p.pull(t)
			})
		}
	}
}
