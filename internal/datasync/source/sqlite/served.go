package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/disk"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/datasync/source/directory/xattr"
	"baton/internal/datasync/source/sqlite/image"
	"baton/internal/kept"
	"baton/internal/pair"
	"baton/internal/pinned"
)

// served is a database while it is read. It implements source.Source.
type served struct {
	kind    *Kind
	data    pair.Data
	dir     *pinned.Dir
	place   string
	purpose source.Purpose
	last    func() (manifest.Set, bool) // what the peer has; nil: that is not asked for
}

// String implements source.Source.
func (s *served) String() string { return s.place }

// Close implements source.Source.
func (s *served) Close() error { return s.dir.Close() }

// Keep implements source.Source: it is for a database that its program keeps locked.
func (s *served) Keep(last func() (manifest.Set, bool)) { s.last = last }

// name is that of the database in its directory.
func (s *served) name() string { return filepath.Base(s.place) }

// follower returns what has the list of the database.
func (s *served) follower() *follower {
	k := s.kind
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.followers[s.place]
	if f == nil {
		f = follow(s.name())
		k.followers[s.place] = f
	}
	return f
}

// Scan implements source.Source.
func (s *served) Scan(ctx context.Context, scheme manifest.Scheme) (source.Scan, error) {
	f := s.follower()
	f.mu.Lock()
	defer f.mu.Unlock()
	seen, err := f.database.Glance(s.dir)
	if err != nil {
		return source.Scan{}, s.explain(err)
	}
	i, err := f.look(ctx, s.dir)
	if errors.Is(err, image.ErrLocked) && s.purpose == source.Serve { // a final sync brings what is there now, or fails
		return s.asBefore(s.explain(err))
	}
	if err != nil {
		return source.Scan{}, s.explain(err)
	}
	var e manifest.Entry
	if err = f.compare(ctx, i); err == nil {
		e, err = s.entry(i, f, scheme)
	}
	if err = errors.Join(err, i.Close()); err != nil {
		return source.Scan{}, s.explain(err)
	}
	f.seen = seen
	top := manifest.Entry{Path: ".", Kind: manifest.Dir, Mode: 0o700} // the directory is none of ours
	listing, err := manifest.ListingOf([]manifest.Entry{top, e})
	if err != nil {
		return source.Scan{}, err
	}
	return source.Scan{
		Listing: listing, Place: place{s.place, i.Identity()}, Disk: s.disk(), Content: &content{kind: s.kind, data: s.data, scheme: scheme},
	}, nil
}

// disk tells the disk and the file from every other, so that a database which its program has made anew is not taken for the same.
func (s *served) disk() string {
	var is unix.Statx_t
	if err := unix.Statx(s.dir.Fd(), s.name(), unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_BTIME, &is); err != nil {
		return ""
	}
	return fmt.Sprintf("%s file %d %d.%d", disk.ID(s.dir.Fd()), is.Ino, is.Btime.Sec, is.Btime.Nsec)
}

// asBefore lists the database as the peer has it, so that it keeps nothing else from being synced. The error is why, and is returned if that is not known.
func (s *served) asBefore(why error) (source.Scan, error) {
	is, err := s.dir.Stat(s.name())
	if err != nil || s.last == nil {
		return source.Scan{}, why
	}
	set, known := s.last()
	if !known {
		return source.Scan{}, why
	}
	before, has := set.Find(s.name())
	return source.Scan{
		Listing: set.Listing, Place: place{s.place, [2]uint64{is.Dev, is.Ino}}, Disk: s.disk(), Content: &content{kind: s.kind, data: s.data},
		Moving: []source.Moving{{Path: s.name(), Locked: true, LeftOut: !has, Was: timeOf(before.ModTime)}},
	}, nil
}

// timeOf is a moment in Unix nanoseconds; 0: none.
func timeOf(nanoseconds int64) time.Time {
	if nanoseconds == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds)
}

// entry is the database as it is listed.
func (s *served) entry(i *image.Image, f *follower, scheme manifest.Scheme) (manifest.Entry, error) {
	stamp, err := inode.Stat(i.File())
	if err != nil {
		return manifest.Entry{}, err
	}
	e := stamp.Entry(s.name())
	e.Size, e.Alloc = i.Size(), i.Size()
	if e.XAttrs, err = xattr.Read(int(i.File().Fd())); err != nil {
		return e, err
	}
	e.Hash, err = f.hashBy(i, scheme)
	if e.Hash == f.last.Hash { // a checkpoint changes nothing but the time
		e.ModTime = f.last.ModTime
	}
	f.last = e
	return e, err
}

// hashBy is the hash of an image, of which the list is up to date.
func (f *follower) hashBy(i *image.Image, scheme manifest.Scheme) (manifest.Hash, error) {
	if scheme == manifest.Lists && i.Size() >= manifest.FromLists {
		return f.list.Hash(), nil
	}
	h := scheme.Hash(i.Size())
	if _, err := io.Copy(h, io.NewSectionReader(i, 0, i.Size())); err != nil {
		return manifest.Hash{}, err
	}
	return h.Sum(), i.Check()
}

// explain turns what a look at a database met into a sentence.
func (s *served) explain(err error) error {
	switch {
	case err == nil, pair.RefusalOf(err) != nil:
		return err
	case errors.Is(err, fs.ErrNotExist):
		return missing(s.place)
	case errors.Is(err, image.ErrEmpty):
		return source.Sentence(source.ErrUnsafe, "The database %s is empty: if it had data, take it from the backup or a restore point before its program starts; if not, start its program once, which fills it.", s.place)
	case errors.Is(err, image.ErrLocked):
		return source.Sentence(source.ErrChanging, "The database %s cannot be read: %v. %s", s.place, image.ErrLocked, Remedy(err))
	case Remedy(err) != "":
		return source.Sentence(source.ErrUnsafe, "The database %s cannot be read: %v. %s", s.place, err, Remedy(err))
	}
	return source.Explain(err, s.place)
}

// Stage implements source.Source.
func (*served) Stage(manifest.Listing) (source.Staging, error) { return nil, errServed }

// Resume implements source.Source.
func (*served) Resume([]byte) (source.Change, error) { return nil, errServed }

// DropStaging implements source.Source.
func (*served) DropStaging() error { return errServed }

// SetAside implements source.Source.
func (*served) SetAside(context.Context, source.Divergence, string) ([]kept.DivergedFile, error) {
	return nil, errServed
}

// Restore implements source.Restorer: it refuses. A program that has the database open would go on writing to the one that was there.
func (s *served) Restore() (source.Restoration, error) {
	return nil, source.Sentence(source.ErrBlocked, "Baton does not put back the database %s, as its program may have it open: take it out with --to DIR. On the primary, stop its program, put the file there without -wal, -shm and -journal beside it, and start the program.", s.place)
}

var errServed = errors.New("a database that is read cannot be changed")

// place is which file a database is. It implements source.Place.
type place struct {
	path     string
	identity [2]uint64
}

// Apart implements source.Place.
func (p place) Apart(other source.Place) error {
	o, is := other.(place)
	if !is || o.identity != p.identity {
		return nil
	}
	return source.Sentence(source.ErrUnsafe, "The databases %s and %s are one file: protect it once.", p.path, o.path)
}

// content is a database to be sent. It implements source.Content.
type content struct {
	kind   *Kind
	data   pair.Data
	scheme manifest.Scheme
}

// Open implements source.Content.
func (c *content) Open() (source.Reader, error) {
	s, err := c.kind.serve(c.data, source.Serve)
	if err != nil {
		return nil, err
	}
	return &reader{served: s, scheme: c.scheme}, nil
}

// reader sends a database. It implements source.Reader.
type reader struct {
	*served

	scheme manifest.Scheme
}

// Send implements source.Reader: it sends the newest state.
func (r *reader) Send(ctx context.Context, e manifest.Entry, have source.Have, sink source.Sink) (manifest.Entry, error) {
	f := r.follower()
	old, _ := r.kind.Lists(r.data).Get(have.Old, have.Size)
	if have.Offset > 0 {
		old = manifest.List{}
	}
	s, now, err := r.spool(ctx, f, old)
	if err != nil {
		return e, r.explain(err)
	}
	defer func() { _ = s.close() }()
	if have.Offset > 0 && now.Hash != e.Hash {
		return e, fmt.Errorf("%w: %q was written to", source.ErrChanging, r.place)
	}
	r.kind.Lists(r.data).Put(r.name(), s.list, nil)
	return now, s.sendTo(ctx, have.Offset, sink)
}

// spool copies what is to be sent, and says how it is listed.
func (r *reader) spool(ctx context.Context, f *follower, old manifest.List) (*spool, manifest.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var now manifest.Entry
	s, err := f.spool(ctx, r.dir, r.kind.opt.Index, old, func(i *image.Image) (err error) {
		now, err = r.entry(i, f, r.scheme)
		return err
	})
	return s, now, err
}
