package scan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/changes"
	"baton/internal/datasync/source/directory/hint"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/pair/exclude"
)

// TestWhatIsHintedIsAllThatChanged changes a tree at random and looks at what is hinted alone, and at the whole.
func TestWhatIsHintedIsAllThatChanged(t *testing.T) {
	seeds := uint64(60)
	_, _ = fmt.Sscan(os.Getenv("BATON_SEEDS"), &seeds)
	for seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { hinted(t, rand.New(rand.NewPCG(seed, 2)), byInotify) })
		if t.Failed() {
			return
		}
	}
}

// TestWhatTheHelperHintsIsAllThatChanged is the same with the helper, beside all else that is written to the disk.
func TestWhatTheHelperHintsIsAllThatChanged(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	listener, err := changes.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		served <- changes.Serve(ctx, listener, func(string) string { return "" }, slog.New(slog.DiscardHandler))
	}()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	helper, err := hint.Dial(socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = helper.Close() }()
	byHelper := func(t *testing.T, opened *tree.Tree) *hint.Watch {
		t.Helper()
		watch, err := helper.Watch(opened.Dir().Fd(), opened.Dir().Real(), opened.Exclude.Matches)
		if err != nil {
			t.Skipf("file systems cannot be followed here: %v", err)
		}
		t.Cleanup(watch.Close)
		return watch
	}
	seeds := uint64(60)
	_, _ = fmt.Sscan(os.Getenv("BATON_SEEDS"), &seeds)
	for seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) { hinted(t, rand.New(rand.NewPCG(seed, 2)), byHelper) })
		if t.Failed() {
			return
		}
	}
}

func byInotify(t *testing.T, opened *tree.Tree) *hint.Watch {
	t.Helper()
	notifier, err := hint.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = notifier.Close() })
	return notifier.Watch(opened.Exclude.Matches)
}

func hinted(t *testing.T, random *rand.Rand, follow func(*testing.T, *tree.Tree) *hint.Watch) {
	t.Helper()
	dir := t.TempDir()
	opened, err := tree.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	if random.IntN(2) == 0 {
		opened.Exclude = exclude.Patterns("a/\nb").Matcher()
	}
	watch := follow(t, opened)
	scan, err := Whole(t.Context(), opened, manifest.Listing{}, time.Now, watch)
	if err != nil {
		t.Fatal(err)
	}
	listing := scan.Listing
	for range 6 {
		for range 1 + random.IntN(10) {
			disturb(random, dir)
		}
		names, err := watch.Take()
		if err != nil {
			t.Fatal(err)
		}
		part, err := Names(t.Context(), opened, listing, Servers{}, names, time.Now, watch)
		whole, wholeErr := Whole(t.Context(), opened, manifest.Listing{}, time.Now, nil)
		switch {
		case wholeErr != nil:
			t.Fatal(wholeErr)
		case errors.Is(err, ErrWhole), !opened.Exclude.IsEmpty() && hasLinks(dir): // an excluded name of a file is as one elsewhere
			if whole, err = Whole(t.Context(), opened, listing, time.Now, watch); err != nil {
				t.Fatal(err)
			}
			listing = whole.Listing
			continue
		case err != nil:
			t.Fatal(err)
		}
		if !slices.Equal(listed(part, opened), listed(whole, opened)) {
			t.Fatalf("hinted were %v\nlisted\n%+v\nwant\n%+v", names, slices.Collect(part.Listing.All()), slices.Collect(whole.Listing.All()))
		}
		listing = part.Listing
	}
}

// listed is what was found. Where names are excluded, times of directories come with the next look at the whole.
func listed(found Result, in *tree.Tree) (lines []string) {
	for e := range found.Listing.All() {
		if e.Kind == manifest.Dir && !in.Exclude.IsEmpty() {
			e.ModTime = 0
		}
		lines = append(lines, fmt.Sprint(e))
	}
	return lines
}

// hasLinks reports whether a file has several names.
func hasLinks(dir string) (has bool) {
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		info, statErr := os.Lstat(path)
		if statErr == nil && !info.IsDir() {
			has = has || info.Sys().(*syscall.Stat_t).Nlink > 1 //nolint:forcetypeassert // on Linux it is one
		}
		return err
	})
	return has
}

// disturb does one thing at random; what cannot be done is left.
func disturb(random *rand.Rand, dir string) {
	var files []string
	dirs := []string{dir}
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == dir:
		case e.IsDir():
			dirs = append(dirs, path)
		default:
			files = append(files, path)
		}
		return nil
	})
	place := func() string { return filepath.Join(dirs[random.IntN(len(dirs))], string(rune('a'+random.IntN(5)))) }
	file, sub := place(), dirs[random.IntN(len(dirs))]
	if len(files) > 0 {
		file = files[random.IntN(len(files))]
	}
	switch random.IntN(14) {
	case 0, 1, 2:
		_ = os.WriteFile(place(), []byte(strconv.Itoa(random.IntN(9))), 0o644)
	case 3, 4:
		_ = os.Mkdir(place(), 0o755)
	case 5:
		_ = os.Rename(sub, place())
	case 6:
		_ = os.Rename(file, place())
	case 7:
		if sub != dir {
			_ = os.RemoveAll(sub)
		}
	case 8:
		_ = os.Remove(file)
	case 9:
		_ = os.Chmod(sub, 0o700|os.FileMode(random.IntN(64)))
	case 10:
		_ = os.Symlink("elsewhere", place())
	case 11:
		if random.IntN(4) == 0 {
			_ = os.Link(file, place())
		}
	case 12: // of a symlink, which may have several names, its own
		_ = os.Lchown(file, random.IntN(3), 0)
	case 13:
		if info, err := os.Lstat(file); err == nil && !info.Mode().IsRegular() {
			_ = os.Link(file, place())
		}
	}
}
