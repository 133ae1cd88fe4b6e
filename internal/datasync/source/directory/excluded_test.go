package directory_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair/exclude"
)

// parts tells apart what of a tree is excluded, with the content of files, and what is not.
func parts(t *testing.T, dir string, patterns exclude.Patterns) (excluded map[string]string, rest string) {
	t.Helper()
	m := patterns.Matcher()
	excluded = map[string]string{}
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSuffix(described(t, dir), "\n"), "\n") {
		path, _, _ := strings.Cut(line, " ")
		if of := line[strings.LastIndex(line, " ")+1:]; strings.Contains(line, " as ") && m.Excludes(of) {
			line, _, _ = strings.Cut(line, " as ") // the other name is not synced
		}
		if m.Excludes(path) {
			excluded[path] = line
			continue
		}
		lines = append(lines, line)
	}
	return excluded, strings.Join(lines, "\n")
}

// TestWhatIsExcludedStaysInDisorder (BATON_SEEDS sets how often) changes a tree at random, and puts things with excluded names
// anywhere on the other side. These stay; the rest arrives, but for directories that hold them.
func TestWhatIsExcludedStaysInDisorder(t *testing.T) {
	seeds, stayed, blocked := uint64(60), 0, 0
	_, _ = fmt.Sscan(os.Getenv("BATON_SEEDS"), &seeds)
	for seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			from, to := side{t.TempDir(), "f\nx*"}, side{t.TempDir(), "f\nx*"}
			if err := errors.Join(os.Mkdir(from.tree(), 0o755), os.Mkdir(to.tree(), 0o755)); err != nil {
				t.Fatal(err)
			}
			d, local := disorder{rand.New(rand.NewPCG(seed, 3)), from.tree()}, disorder{rand.New(rand.NewPCG(seed, 4)), to.tree()}
			d.fill()
			for round := range 4 {
				for range 1 + d.IntN(12) {
					d.step()
				}
				for range local.IntN(4) {
					at := local.one(append(local.entries(true), local.dir), local.dir)
					_ = os.Mkdir(filepath.Join(at, "f"), 0o755)
					_ = os.WriteFile(filepath.Join(at, "f", "kept"), []byte(strconv.Itoa(round)), 0o600)
					_ = os.WriteFile(filepath.Join(at, fmt.Sprint("x", round)), []byte("kept"), 0o600)
				}
				before, _ := parts(t, to.tree(), to.exclude)
				if to.isBlocked(t, from) {
					blocked++
					must(t, os.RemoveAll(to.tree()))
					must(t, os.Mkdir(to.tree(), 0o755))
					continue
				}
				to.sync(t, from, d.IntN(12), d.IntN(2) == 0)
				after, _ := parts(t, to.tree(), to.exclude)
				for path, was := range before {
					if after[path] != was && !strings.HasPrefix(was, path+" 40") { // times of directories change with what is in them
						t.Fatalf("%s is %q and was %q", path, after[path], was)
					}
				}
				stayed += len(before)
				compareListed(t, from, to)
			}
		})
		if t.Failed() {
			return
		}
	}
	if stayed == 0 || blocked == 0 {
		t.Errorf("%d stayed, %d were in the way", stayed, blocked)
	}
	t.Logf("%d stayed, %d times something was in the way", stayed, blocked)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// isBlocked reports whether something excluded is in the way of a sync.
func (s side) isBlocked(t *testing.T, from side) bool {
	t.Helper()
	kind, data := from.Start(t)
	src, err := kind.Open(data, source.Serve)
	must(t, err)
	defer func() { _ = src.Close() }()
	found, err := src.Scan(t.Context(), manifest.Newest)
	must(t, err)
	kind, data = s.Start(t)
	dst, err := kind.Open(data, source.Receive)
	must(t, err)
	defer func() { _ = dst.Close() }()
	_, err = dst.Scan(t.Context(), manifest.Newest)
	must(t, err)
	staging, err := dst.Stage(found.Listing)
	if staging != nil {
		must(t, staging.Close())
	}
	if err != nil && !errors.Is(err, source.ErrBlocked) {
		t.Fatal(err)
	}
	return err != nil
}

// compareListed compares what is listed on both sides: the receiving side may have more directories, which hold
// something excluded.
func compareListed(t *testing.T, from, to side) {
	t.Helper()
	_, want := parts(t, from.tree(), from.exclude)
	_, got := parts(t, to.tree(), to.exclude)
	wanted := map[string]bool{}
	for line := range strings.SplitSeq(want, "\n") {
		wanted[line] = true
	}
	for line := range strings.SplitSeq(got, "\n") {
		path, _, _ := strings.Cut(line, " ")
		if wanted[line] {
			delete(wanted, line)
			continue
		}
		if !strings.HasPrefix(line, path+" 40") || !to.holdsExcluded(t, path) || exists(filepath.Join(from.tree(), path)) {
			t.Fatalf("%s should not be there; there should be\n%s\nand is\n%s", line, want, got)
		}
	}
	if len(wanted) > 0 {
		t.Fatalf("missing is %v of\n%s\nand there is\n%s", wanted, want, got)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (s side) holdsExcluded(t *testing.T, path string) (holds bool) {
	t.Helper()
	m := s.exclude.Matcher()
	must(t, filepath.WalkDir(filepath.Join(s.tree(), path), func(at string, _ fs.DirEntry, err error) error {
		name, _ := filepath.Rel(s.tree(), at)
		holds = holds || m.Excludes(name)
		return err
	}))
	return holds
}
