package directory_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
)

// disorder changes a tree at random, as people and programs do.
type disorder struct {
	*rand.Rand

	dir string
}

// entries are the paths of a kind, without the top; dirs says which.
func (d disorder) entries(dirs bool) (paths []string) {
	_ = filepath.WalkDir(d.dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && path != d.dir && e.IsDir() == dirs {
			paths = append(paths, path)
		}
		return nil
	})
	return paths
}

func (d disorder) one(paths []string, otherwise string) string {
	if len(paths) == 0 {
		return otherwise
	}
	return paths[d.IntN(len(paths))]
}

func (d disorder) place() string {
	return filepath.Join(d.one(append(d.entries(true), d.dir), d.dir), string(rune('a'+d.IntN(6))))
}

// fill makes directories that are told apart by what is in them.
func (d disorder) fill() {
	for range 2 + d.IntN(6) {
		dir := d.place()
		_ = os.Mkdir(dir, 0o755)
		for i := range 1 + d.IntN(4) {
			_ = os.WriteFile(filepath.Join(dir, string(rune('a'+i))), []byte(fmt.Sprint("filled ", d.IntN(1000))), 0o644)
		}
	}
}

// step does one thing; what cannot be done is left.
func (d disorder) step() {
	file, dir := d.one(d.entries(false), ""), d.one(d.entries(true), "")
	switch d.IntN(11) {
	case 0, 1, 2:
		_ = os.WriteFile(d.place(), []byte(fmt.Sprint("text ", d.IntN(5))), 0o644)
	case 3:
		_ = os.Mkdir(d.place(), 0o755)
	case 4, 5:
		_ = os.Rename(dir, d.place())
	case 6:
		_ = os.Rename(file, d.place())
	case 7:
		_ = os.RemoveAll(d.one([]string{file, dir}, file))
	case 8: // two exchange their names
		other := d.one(d.entries(true), "")
		if dir != "" && other != "" && !strings.HasPrefix(dir+"/", other+"/") && !strings.HasPrefix(other+"/", dir+"/") {
			_ = os.Rename(dir, d.dir+"/between")
			_ = os.Rename(other, dir)
			_ = os.Rename(d.dir+"/between", other)
		}
	case 9:
		_ = os.Link(file, d.place())
	case 10:
		_ = os.Symlink("somewhere", d.place())
	}
}

// described is a tree with all that this test changes.
func described(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	first := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if name == ".baton-staging" {
			return fs.SkipDir
		}
		var s syscall.Stat_t
		if err := syscall.Lstat(path, &s); err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %o %d", name, s.Mode, s.Mtim.Nano())
		if e.Type().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %q", text)
			if of, is := first[s.Ino]; is {
				fmt.Fprintf(&b, " as %s", of)
			} else {
				first[s.Ino] = name
			}
		}
		b.WriteByte('\n')
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sync brings what one side holds to the other, stopping before a step; 0: not at all. It is then taken back, or
// done to its end.
func (s side) sync(t *testing.T, from side, stop int, back bool) (renamed int) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	open := func(s side, purpose source.Purpose) source.Source {
		kind, data := s.Start(t)
		src, err := kind.Open(data, purpose)
		must(err)
		t.Cleanup(func() { _ = src.Close() })
		return src
	}
	found, err := open(from, source.Serve).Scan(t.Context(), manifest.Newest)
	must(err)
	src := open(s, source.Receive)
	have, err := src.Scan(t.Context(), manifest.Newest)
	must(err)
	for _, c := range manifest.Difference(have.Listing, found.Listing).Set {
		if c.From != "" {
			renamed++
		}
	}
	before := described(t, s.tree())
	staging, err := src.Stage(found.Listing)
	must(err)
	if staging == nil {
		return renamed
	}
	reader, err := found.Content.Open()
	must(err)
	missing, err := staging.Missing(t.Context(), found.Listing, func(int64, int64) {})
	must(err)
	for _, w := range missing {
		e, _ := found.Listing.Find(w.Path)
		in, err := staging.Fill(t.Context(), e.Entry, w.Have)
		must(err)
		now, err := reader.Send(t.Context(), e.Entry, w.Have, in)
		must(err)
		must(in.Finish(now))
	}
	change, err := staging.Settle(found.Listing)
	must(err)
	journal := change.Append(nil)
	stopped(stop, func(hook func(string)) { must(change.Apply(t.Context(), hook)) })
	if stop > 0 {
		change, err = open(s, source.Recover).Resume(journal)
		must(err)
	}
	if back {
		stopped(stop/2, func(hook func(string)) { must(change.Undo(hook)) })
		must(change.Undo(func(string) {}))
		if now := described(t, s.tree()); now != before {
			t.Fatalf("taken back, it is\n%s\nand was\n%s", now, before)
		}
	}
	must(change.Apply(t.Context(), func(string) {}))
	must(change.Done())
	return renamed
}

// stopped ends something before a step.
func stopped(step int, do func(hook func(string))) {
	const stop = "stopped here"
	defer func() {
		if r := recover(); r != nil && r != stop {
			panic(r)
		}
	}()
	do(func(string) {
		if step--; step == 0 {
			panic(stop)
		}
	})
}

// TestTreesInDisorderArrive (BATON_SEEDS sets how often) changes a tree at random, with much renaming, and stops each sync of it anywhere.
func TestTreesInDisorderArrive(t *testing.T) {
	seeds, renamed := uint64(60), 0
	_, _ = fmt.Sscan(os.Getenv("BATON_SEEDS"), &seeds)
	for seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			from, to := side{dir: t.TempDir()}, side{dir: t.TempDir()}
			if err := os.Mkdir(from.tree(), 0o755); err != nil {
				t.Fatal(err)
			}
			d := disorder{rand.New(rand.NewPCG(seed, 1)), from.tree()}
			d.fill()
			for range 3 {
				for range 1 + d.IntN(12) {
					d.step()
				}
				renamed += to.sync(t, from, d.IntN(12), d.IntN(2) == 0)
				if a, b := described(t, from.tree()), described(t, to.tree()); a != b {
					t.Fatalf("there is\n%s\nand there should be\n%s", b, a)
				}
			}
		})
		if t.Failed() {
			return
		}
	}
	if renamed == 0 {
		t.Error("no directory was renamed")
	}
	t.Logf("%d directories were renamed", renamed)
}
