// Package scan finds out what a tree holds: the whole of it, or some names of which a change was noticed. What it
// knew before and is unchanged is not read.
//
// Start reading at Whole, then Names.
package scan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/dbserver"
	"baton/internal/datasync/source/directory/hint"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/datasync/source/directory/xattr"
	"baton/internal/pair"
)

// Result is what one look at a tree found.
type Result struct {
	Listing  manifest.Listing // with what the next scan needs noted
	Hashed   int              // files that had to be read
	Reading  time.Duration    // that took
	Moving   []source.Moving  // what is listed as Tree.Last has it
	Servers  Servers          // the directories of database servers that were looked at
	Skipped  []string         // sockets and device nodes
	Mounts   []string         // directories in which another file system begins
	Unstable string           // a directory that still changed at the last try; empty if none
}

// Rescans bounds how often a tree whose directories change is looked at again.
const rescans = 5

// Whole looks at a whole tree. A file is read only if the listing before does not know it as
// it is. If a directory changes meanwhile, the tree is looked at again, because
// a file moved between two directories could have been missed in both. The watch, if there is one, watches each
// directory from before it is listed. If Tree.Last is set, what database servers use is listed as that tells.
func Whole(ctx context.Context, t *tree.Tree, before manifest.Listing, now func() time.Time, watch *hint.Watch) (Result, error) {
	var scan Result
	hashed, reading := 0, time.Duration(0)
	began, begins := map[string]bool{}, (*InUseError)(nil)
	for range rescans {
		w := newWalker(t, now, watch, before)
		w.root, w.began = &folder{path: ".", was: before.Whole()}, began
		err := w.run(ctx)
		hashed += len(w.jobs)
		reading += w.scan.Reading
		if err != nil {
			return Result{}, fmt.Errorf("scan %s: %w", t.Path(), err)
		}
		scan = w.scan
		scan.Hashed, scan.Reading = hashed, reading
		scan.Unstable = w.changedDirectory(ctx)
		if begins = w.haveBegun(); begins == nil && scan.Unstable == "" {
			break
		}
		before = scan.Listing
	}
	if begins != nil {
		return Result{}, fmt.Errorf("scan %s: %w", t.Path(), begins)
	}
	return scan, nil
}

// ErrDeep means that a path in the tree is longer than pair.MaxPath.
var ErrDeep = errors.New("a path is too long")

// ErrWhole means that a part of the tree does not tell enough: the whole has to be looked at.
var ErrWhole = errors.New("the whole tree has to be looked at")

// Names looks at some names of the tree alone, and returns the listing before, with database servers at rest, with what has changed there. ErrWhole:
// files with further names are among them, or a database server that is new, or not at rest any more.
func Names(ctx context.Context, t *tree.Tree, before manifest.Listing, rest Servers, some hint.Names, now func() time.Time, watch *hint.Watch) (Result, error) {
	w := newWalker(t, now, watch, before)
	w.rest(rest)
	delta, err := w.some(ctx, some)
	if err == nil && w.haveBegun() != nil {
		err = ErrWhole
	}
	if err == nil {
		w.scan.Listing, err = manifest.Patch(before, delta)
	}
	if err != nil {
		return Result{}, fmt.Errorf("scan %s: %w", t.Path(), err)
	}
	w.scan.Hashed = len(w.jobs)
	return w.scan, nil
}

// walker looks at a tree once: it lists the directories, several at a time, then reads the
// files that are not known, and then puts the listing together.
type walker struct {
	tree   *tree.Tree
	now    func() time.Time
	watch  *hint.Watch // nil: none
	before manifest.Listing
	root   *folder
	group  *errgroup.Group

	mu     sync.Mutex
	scan   Result
	dirs   []*folder                 // all that were listed
	jobs   []*item                   // files to be read
	more   []*item                   // files that have further names
	linked map[string]bool           // paths of files that have several names
	holds  map[string]bool           // directories that hold such a file
	elders map[uint64]manifest.Child // the directories as they were known before, by their numbers; nil: not asked for yet
	atRest map[string]dbserver.State // the directories of database servers that nothing used when they were listed
	began  map[string]bool           // those that were used later, also by an earlier walker
}

func newWalker(t *tree.Tree, now func() time.Time, watch *hint.Watch, before manifest.Listing) *walker {
	return &walker{tree: t, now: now, watch: watch, before: before, scan: Result{Servers: Servers{}}, atRest: map[string]dbserver.State{}, began: map[string]bool{}}
}

// folder is a directory on the way.
type folder struct {
	path  string
	stamp inode.Stamp // when it was listed
	own   manifest.Child
	was   manifest.Child  // as it was known before, maybe by another path
	known bool            // what is right in it is as it was known before
	items []*item         // sorted by name, unless they are known
	held  *manifest.Child // how it is listed, as a database server uses it; nil: as it is
	gone  bool
}

// item is one name in a directory.
type item struct {
	path  string
	stamp inode.Stamp
	child manifest.Child // complete once it is known; of a directory its folder says more
	sub   *folder        // of a directory
	known bool           // it is as it was known before
	gone  bool
}

func (w *walker) run(ctx context.Context) error {
	stamp, err := w.tree.Stat(".")
	if err != nil {
		return err
	}
	w.root.stamp = stamp
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	w.group = group
	group.Go(func() error { return w.visit(groupCtx, w.root) })
	if err := group.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.firstNames(func(one *item) { // only a further name of it was known
		if one.child.Kind == manifest.Link {
			one.known = false
			w.jobs = append(w.jobs, one)
		}
	}, func(*item, *item) {})
	if err := w.readAll(ctx); err != nil {
		return err
	}
	sortMoving(w.scan.Moving)
	slices.Sort(w.scan.Skipped)
	slices.Sort(w.scan.Mounts)
	w.nameLinks()
	if w.root.gone {
		return &fs.PathError{Op: "open directory", Path: w.tree.Path(), Err: fs.ErrNotExist}
	}
	w.scan.Listing = manifest.NewListing(w.root.assemble())
	return nil
}

// visit lists a directory, and those in it, by another goroutine if one is free.
func (w *walker) visit(ctx context.Context, f *folder) error {
	below, err := w.list(ctx, f)
	if err != nil {
		return err
	}
	for _, sub := range below {
		if w.group.TryGo(func() error { return w.visit(ctx, sub) }) {
			continue
		}
		if err := w.visit(ctx, sub); err != nil {
			return err
		}
	}
	return nil
}

// list lists one directory and returns the directories in it. One that is
// gone meanwhile is left out: the second look at its parent notices.
func (w *walker) list(ctx context.Context, d *folder) ([]*folder, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := w.tree.Dir().OpenFile(d.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if tree.IsGone(err) {
		d.gone = true
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open directory: %w", err)
	}
	defer func() { _ = f.Close() }()
	stamp, err := inode.Stat(f)
	if err != nil || stamp.Ino != d.stamp.Ino {
		d.gone = true
		return nil, err
	}
	if w.watch != nil {
		w.watch.Dir(int(f.Fd()), d.path)
	}
	d.stamp = stamp
	d.own = manifest.Child{Entry: stamp.Entry(d.path), Note: w.note(stamp)}
	if d.was.Kind != manifest.Dir || d.was.Note.Ino != stamp.Ino {
		d.was = w.elder(stamp.Ino)
	}
	if unchanged(d.was, stamp) {
		d.own.XAttrs = d.was.XAttrs
	} else if d.own.XAttrs, err = xattr.Read(int(f.Fd())); err != nil {
		return nil, fmt.Errorf("directory %q: %w", d.path, err)
	}
	if part := w.tree.Part(); d.path == "." && !part.IsWhole() { // it belongs to others
		d.own = manifest.Child{Entry: manifest.Entry{Path: d.path, Kind: manifest.Dir, Mode: 0o700}}
		return w.names(ctx, int(f.Fd()), d, part.Names)
	}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list directory: %w", err)
	}
	slices.Sort(names)
	if held, err := w.server(d, names); held || err != nil {
		return nil, err
	}
	return w.names(ctx, int(f.Fd()), d, names)
}

// names looks at the names in a directory.
func (w *walker) names(ctx context.Context, dir int, d *folder, names []string) (below []*folder, err error) {
	found := lister{walker: w, dir: dir, of: d, was: d.was.Below}
	for _, name := range names {
		if err := ctx.Err(); err != nil { // there may be a million
			return nil, err
		}
		if err := found.name(name); err != nil {
			return nil, err
		}
	}
	d.known = !found.other && len(found.items) == d.was.Below.Len() && len(found.below) == 0 && len(found.more) == 0
	if !d.known {
		d.items = found.items
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dirs = append(w.dirs, d)
	w.jobs = append(w.jobs, found.jobs...)
	w.more = append(w.more, found.more...)
	w.scan.Skipped = append(w.scan.Skipped, found.skipped...)
	w.scan.Mounts = append(w.scan.Mounts, found.mounts...)
	return found.below, nil
}

// elder returns the directory that had a number, wherever it was: one that was renamed holds the same files.
func (w *walker) elder(ino uint64) manifest.Child {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.elders == nil {
		w.elders = map[uint64]manifest.Child{}
		for c := range w.before.Dirs() {
			w.elders[c.Note.Ino] = c
		}
	}
	if ino == 0 {
		return manifest.Child{}
	}
	return w.elders[ino]
}

// lister looks at the names of one directory, in their order.
type lister struct {
	*walker

	dir     int
	of      *folder
	was     *manifest.Branch
	at      int // where in was the next name may be
	items   []*item
	other   bool // something is not as it was known
	jobs    []*item
	more    []*item
	below   []*folder
	skipped []string
	mounts  []string
}

func (l *lister) name(name string) error {
	path := name
	if l.of.path != "." {
		path = l.of.path + "/" + name
	} else if tree.IsOwn(name) {
		return nil
	}
	if l.tree.Exclude.Matches(path) {
		return nil
	}
	if len(path) > pair.MaxPath {
		return fmt.Errorf("%w: %q…", ErrDeep, path[:200])
	}
	stamp, err := inode.StatAt(l.dir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("in %q: %w", l.of.path, err)
	}
	was, found := l.known(name)
	one := &item{path: path, stamp: stamp}
	if one.known = found && unchanged(was, stamp); one.known {
		one.child = was
		one.child.Path = path
	} else {
		one.child = manifest.Child{Entry: stamp.Entry(path), Note: l.note(stamp)}
	}
	kept, err := l.kind(one, name, was)
	if err != nil || !kept {
		return err
	}
	l.other = l.other || !one.known
	l.items = append(l.items, one)
	return nil
}

// kind does what a name's kind asks for; it reports false if it is not synced.
func (l *lister) kind(one *item, name string, was manifest.Child) (kept bool, err error) {
	switch one.stamp.Kind() {
	case manifest.Symlink:
		if !one.known {
			one.child.Target, err = inode.ReadlinkAt(l.dir, name)
		}
	case manifest.File:
		if !one.known {
			l.jobs = append(l.jobs, one)
		}
		if one.stamp.Nlink > 1 || one.child.Kind == manifest.Link {
			l.more = append(l.more, one)
		}
	case manifest.Dir:
		one.sub = &folder{path: one.path, stamp: one.stamp, was: was}
		l.below = append(l.below, one.sub)
		if one.stamp.Dev != l.of.stamp.Dev {
			l.mounts = append(l.mounts, one.path)
		}
	case manifest.Fifo, manifest.Link, manifest.Blob:
	default:
		l.skipped = append(l.skipped, one.path)
		return false, nil
	}
	return true, err
}

// known returns what is known of a name; the names come in their order.
func (l *lister) known(name string) (manifest.Child, bool) {
	for ; l.at < l.was.Len(); l.at++ {
		switch order := strings.Compare(l.was.Name(l.at), name); {
		case order > 0:
			return manifest.Child{}, false
		case order == 0:
			l.at++
			return l.was.At(l.at - 1), true
		}
	}
	return manifest.Child{}, false
}

// unchanged reports whether what is known of a name can be trusted still.
func unchanged(was manifest.Child, is inode.Stamp) bool { return !was.Note.Racy && inode.Same(was, is) }

// note is what the next scan compares with.
func (w *walker) note(s inode.Stamp) manifest.Note {
	return inode.NoteOf(s, inode.Racy(s.CTime, w.now()))
}

// oneByOne is up to how many files have their dirty pages written each by itself,
// before they are read; more are written all at once.
const oneByOne = 200

// readAll hashes the files that are not known, several at a time.
func (w *walker) readAll(ctx context.Context) error {
	start := time.Now()
	defer func() { w.scan.Reading = time.Since(start) }()
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
	for _, one := range w.jobs {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return w.read(ctx, one, written) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return whole.Err()
}

// read hashes one file.
func (w *walker) read(ctx context.Context, one *item, written time.Time) error {
	server, rests := w.serverOf(one.path)
	if !rests && w.tree.Busy != nil && w.tree.Busy(one.path, one.stamp.ModTime) && w.leave(one) {
		return nil
	}
	e, stamp, isRacy, err := w.tree.Hash(ctx, one.path, w.now, written)
	if rests && errors.Is(err, source.ErrChanging) {
		w.begins(server)
		one.gone = true
		return nil
	}
	if one.gone = errors.Is(err, fs.ErrNotExist); one.gone || (errors.Is(err, source.ErrChanging) && w.leave(one)) {
		return nil
	}
	one.stamp, one.child = stamp, manifest.Child{Entry: e, Note: inode.NoteOf(stamp, isRacy)}
	return err
}

// leave has a file that keeps changing listed as the peer has it, and read by the next scan. It reports false if
// that cannot be told.
func (w *walker) leave(one *item) bool {
	if w.tree.Last == nil {
		return false
	}
	last, told := w.tree.Last(one.path, manifest.File, one.stamp.Ino)
	if !told {
		return false
	}
	one.gone = last.Kind == 0
	one.child = manifest.Child{Entry: last.Entry, Note: inode.NoteOf(one.stamp, true)}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scan.Moving = append(w.scan.Moving, source.Moving{Path: one.path})
	return true
}

// nameLinks makes all names of a file but the first into further names of it.
func (w *walker) nameLinks() {
	w.firstNames(func(*item) {}, func(one, of *item) {
		link := manifest.Entry{Path: one.path, Kind: manifest.Link, Target: of.path}
		one.known = one.known && one.child.Same(link)
		one.child = manifest.Child{Entry: link, Note: one.child.Note}
	})
}

// firstNames tells which name of each file is the first, and which are further ones.
func (w *walker) firstNames(first func(*item), further func(one, of *item)) {
	slices.SortFunc(w.more, func(a, b *item) int { return manifest.ComparePaths(a.path, b.path) })
	type number struct{ dev, ino uint64 }
	files := map[number]*item{}
	for _, one := range w.more {
		id := number{one.stamp.Dev, one.stamp.Ino}
		switch of, is := files[id]; {
		case one.gone:
		case is && one.stamp.Nlink > 1:
			further(one, of)
		default:
			files[id] = one
			first(one)
		}
	}
}

// assemble makes the entry of a directory with all that is in it, and lets go of what is not
// needed any more.
func (f *folder) assemble() manifest.Child {
	if f.held != nil {
		return *f.held
	}
	own := f.own
	if own.Below = f.was.Below; f.known {
		return own
	}
	same := len(f.items) == f.was.Below.Len()
	children := make([]manifest.Child, 0, len(f.items))
	for _, one := range f.items {
		child := one.child
		switch {
		case one.gone || (one.sub != nil && one.sub.gone):
			same = false
			continue
		case one.sub != nil:
			child = one.sub.assemble()
			same = same && one.known && unchanged(one.sub.was, one.sub.stamp) && child.Below == one.sub.was.Below
		default:
			same = same && one.known
		}
		children = append(children, child)
	}
	f.items = nil
	if !same {
		own.Below = manifest.NewBranch(children)
	}
	return own
}

// changedDirectory looks at every directory once more and names one that changed.
func (w *walker) changedDirectory(ctx context.Context) string {
	for _, d := range w.dirs {
		if d.path == "." && !w.tree.Part().IsWhole() { // others write there
			continue
		}
		if ctx.Err() != nil {
			return d.path // it cannot be told
		}
		stamp, err := w.tree.Stat(d.path)
		if err != nil || !stamp.Unchanged(d.stamp) {
			return d.path
		}
	}
	return ""
}
