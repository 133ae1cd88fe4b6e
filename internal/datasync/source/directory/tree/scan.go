package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/pair"
)

// Scan is one look at a whole tree.
type Scan struct {
	Entries  []manifest.Entry // sorted by path; "." first
	Index    Index
	Hashed   int      // files that had to be read
	Skipped  []string // sockets and device nodes
	Mounts   []string // directories in which another file system begins
	Unstable string   // a directory that still changed at the last try; empty if none
}

// Rescans bounds how often a tree whose directories change is looked at again.
const rescans = 5

// Scan looks at the tree. A file is read only if the index does not know it as
// it is. If a directory changes meanwhile, the tree is looked at again, because
// a file moved between two directories could have been missed in both.
func (t *Tree) Scan(ctx context.Context, index Index, now func() time.Time) (Scan, error) {
	var scan Scan
	hashed := 0
	for range rescans {
		w := &walker{tree: t, index: index, now: now, fresh: make(Index, len(index))}
		err := w.run(ctx)
		hashed += len(w.jobs)
		if err != nil {
			return Scan{}, fmt.Errorf("scan %s: %w", t.path, err)
		}
		scan = w.scan
		scan.Hashed = hashed
		if scan.Unstable = w.changedDirectory(ctx); scan.Unstable == "" {
			break
		}
		index = scan.Index
	}
	return scan, nil
}

type walker struct {
	tree  *Tree
	index Index
	fresh Index
	now   func() time.Time
	scan  Scan
	found []entryState
	dirs  []entryState
	jobs  []int // of found: files to be read
}

type entryState struct {
	entry  manifest.Entry
	stamp  Stamp
	racy   bool
	gone   bool
	cached bool
}

func (w *walker) run(ctx context.Context) error {
	if err := w.walk(ctx); err != nil {
		return err
	}
	if err := w.readAll(ctx); err != nil {
		return err
	}
	w.finish()
	return nil
}

func (w *walker) walk(ctx context.Context) error {
	rootStamp, err := w.tree.stat(".")
	if err != nil {
		return err
	}
	queue := []entryState{{entry: rootStamp.entry("."), stamp: rootStamp}}
	for len(queue) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		next := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if next.stamp.Dev != rootStamp.Dev {
			w.scan.Mounts = append(w.scan.Mounts, next.entry.Path)
		}
		below, err := w.directory(ctx, next)
		if err != nil {
			return err
		}
		queue = append(queue, below...)
	}
	return nil
}

// directory lists one directory and returns the directories in it. One that is
// gone meanwhile is left out: the second look at its parent notices.
func (w *walker) directory(ctx context.Context, d entryState) ([]entryState, error) {
	f, err := w.tree.root.OpenFile(d.entry.Path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if isGone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	defer func() { _ = f.Close() }()
	stamp, err := fstat(f)
	if err != nil || stamp.Ino != d.stamp.Ino {
		return nil, err
	}
	d.stamp, d.entry = stamp, stamp.entry(d.entry.Path)
	if d.entry.XAttrs, err = readXAttrs(int(f.Fd())); err != nil {
		return nil, fmt.Errorf("directory %q: %w", d.entry.Path, err)
	}
	w.found, w.dirs = append(w.found, d), append(w.dirs, d)
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list directory: %w", err)
	}
	var below []entryState
	for _, name := range names {
		if err := ctx.Err(); err != nil { // there may be a million
			return nil, err
		}
		child, err := w.name(int(f.Fd()), d.entry.Path, name)
		if err != nil {
			return nil, err
		}
		if child.entry.Kind == manifest.Dir {
			below = append(below, child)
		}
	}
	return below, nil
}

func (w *walker) name(dir int, parent, name string) (entryState, error) {
	path := name
	if parent != "." {
		path = parent + "/" + name
	} else if name == StagingName {
		return entryState{}, nil
	}
	if len(path) > pair.MaxPath {
		return entryState{}, fmt.Errorf("path %q… is longer than %d bytes", path[:200], pair.MaxPath)
	}
	stamp, err := lstatAt(dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return entryState{}, nil
	}
	if err != nil {
		return entryState{}, fmt.Errorf("in %q: %w", parent, err)
	}
	f := entryState{entry: stamp.entry(path), stamp: stamp}
	switch f.entry.Kind {
	case manifest.Symlink:
		if f.entry.Target, err = readlinkAt(dir, name); err != nil {
			return entryState{}, err
		}
		w.found = append(w.found, f)
	case manifest.Fifo:
		w.found = append(w.found, f)
	case manifest.File:
		w.file(f)
	case manifest.Dir, manifest.Link, manifest.Blob:
	default:
		w.scan.Skipped = append(w.scan.Skipped, path)
	}
	return f, nil
}

func (w *walker) file(f entryState) {
	if known, ok := w.index.lookup(f.entry.Path, f.stamp); ok {
		f.entry.Hash, f.entry.XAttrs, f.cached = known.Hash, known.XAttrs, true
	} else {
		w.jobs = append(w.jobs, len(w.found))
	}
	w.found = append(w.found, f)
}

func readlinkAt(dir int, name string) (string, error) {
	b := make([]byte, manifest.MaxTarget+1)
	n, err := unix.Readlinkat(dir, name, b)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(b[:n]), nil
}

// oneByOne is up to how many files have their dirty pages written each by itself,
// before they are read; more are written all at once.
const oneByOne = 200

// readAll hashes the files that the index does not know, several at a time.
func (w *walker) readAll(ctx context.Context) error {
	var written time.Time
	if len(w.jobs) > oneByOne {
		began := w.now()
		if err := w.tree.Sync(); err == nil {
			written = began
		}
	}
	whole := ctx // that of the group ends with it
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, i := range w.jobs {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			e, stamp, isRacy, err := w.tree.hash(ctx, w.found[i].entry.Path, w.now, written)
			w.found[i] = entryState{entry: e, stamp: stamp, racy: isRacy, gone: errors.Is(err, fs.ErrNotExist)}
			if w.found[i].gone {
				return nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return whole.Err()
}

// finish sorts what was found and marks further names of the same file.
func (w *walker) finish() {
	w.found = slices.DeleteFunc(w.found, func(f entryState) bool { return f.gone })
	slices.SortFunc(w.found, func(a, b entryState) int { return manifest.ComparePaths(a.entry.Path, b.entry.Path) })
	type inode struct{ dev, ino uint64 }
	first := map[inode]string{}
	w.scan.Entries = make([]manifest.Entry, 0, len(w.found))
	for _, f := range w.found {
		e := f.entry
		if e.Kind == manifest.File {
			w.fresh[e.Path] = Known{Stamp: f.stamp, Racy: f.racy, Hash: e.Hash, XAttrs: e.XAttrs}
		}
		if e.Kind == manifest.File && f.stamp.Nlink > 1 {
			id := inode{f.stamp.Dev, f.stamp.Ino}
			if target, ok := first[id]; ok {
				e = manifest.Entry{Path: e.Path, Kind: manifest.Link, Target: target}
			} else {
				first[id] = e.Path
			}
		}
		w.scan.Entries = append(w.scan.Entries, e)
	}
	w.scan.Index = w.fresh
	w.scan.dropOrphans()
}

// dropOrphans drops what lies below a directory that was gone before it could
// be listed or came too late to be one.
func (s *Scan) dropOrphans() {
	dirs := make(map[string]bool, len(s.Entries)/8)
	s.Entries = slices.DeleteFunc(s.Entries, func(e manifest.Entry) bool {
		if e.Path != "." && !dirs[manifest.Parent(e.Path)] {
			return true
		}
		if e.Kind == manifest.Dir {
			dirs[e.Path] = true
		}
		return false
	})
}

// changedDirectory looks at every directory once more and names one that changed.
func (w *walker) changedDirectory(ctx context.Context) string {
	for _, d := range w.dirs {
		if ctx.Err() != nil {
			return d.entry.Path // it cannot be told
		}
		stamp, err := w.tree.stat(d.entry.Path)
		if err != nil || !stamp.unchanged(d.stamp) {
			return d.entry.Path
		}
	}
	return ""
}
