package sqlite

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/sqlite/image"
	"baton/internal/datasync/source/sqlite/rows"
	"baton/internal/kept"
	"baton/internal/pair"
	"baton/internal/pinned"

	"golang.org/x/sys/unix"
)

// Rows implements source.Rower. It copies the database as it is now to a file without a name, as no image may be kept for long.
func (k *Kind) Rows(ctx context.Context, data pair.Data, folder string) (tables []kept.TableDifference, err error) {
	s, err := k.serve(data, source.Serve)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	copied, err := s.openCopied(folder)
	if err != nil {
		return nil, err
	}
	defer func() { _ = copied.Close() }()
	if err := s.checkRoom(); err != nil {
		return nil, err
	}
	now, err := follow(s.name()).spool(ctx, s.dir, k.opt.Index, manifest.List{}, func(*image.Image) error { return nil })
	if err != nil {
		return nil, s.tooLong(s.explain(err))
	}
	defer func() { _ = now.close() }()
	tables, err = rows.Compare(ctx, section(copied), io.NewSectionReader(now.file, 0, now.list.Size))
	return tables, s.tooLong(source.Explain(err, s.place))
}

// tooLong tells what to do if it was ended.
func (s *served) tooLong(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return source.Sentence(source.ErrChanging, "Comparing all rows of %s takes too long for that: take the copy out with baton diverged restore --to DIR, and compare it with sqldiff.", s.place)
	}
	return err
}

// openCopied opens the database in the folder of a diverged copy: one file, as it was copied there.
func (s *served) openCopied(folder string) (f *os.File, err error) {
	dir, err := pinned.Open(filepath.Join(folder, copyFiles, s.data.Name), nil)
	isAlone := false // what could not be read was set aside with all that lay beside it
	if err == nil {
		_, noLog := dir.Stat(s.name() + image.Log)
		_, noJournal := dir.Stat(s.name() + image.Journal)
		isAlone = errors.Is(noLog, fs.ErrNotExist) && errors.Is(noJournal, fs.ErrNotExist)
		f, err = dir.OpenFile(s.name(), unix.O_RDONLY, 0)
		err = errors.Join(err, dir.Close())
	}
	if err == nil && isAlone && image.IsDatabase(f) {
		return f, nil
	}
	if f != nil {
		_ = f.Close()
	}
	return nil, source.Sentence(source.ErrUnsafe, "What was set aside of %s is no database that can be read: take it out with baton diverged restore --to DIR to look at it.", s.place)
}

// spareRoom is what a comparison leaves free of the disk of the daemon's own directory, in bytes.
const spareRoom = 1 << 30

// checkRoom refuses a comparison for which there is no room.
func (s *served) checkRoom() error {
	var most int64 // the database has no more than all of these together
	for _, suffix := range []string{"", image.Log, image.Journal} {
		is, err := s.dir.Stat(s.name() + suffix)
		if err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
			return s.explain(err)
		}
		most += is.Size
	}
	var about unix.Statfs_t
	if err := unix.Statfs(s.kind.opt.Index, &about); err != nil {
		return source.Explain(err, s.kind.opt.Index)
	}
	free := int64(about.Bavail) * about.Bsize                                           //nolint:gosec // far below 2^63
	if spare := min(spareRoom, int64(about.Blocks)*about.Bsize/20); most+spare > free { //nolint:gosec // the same
		return source.Sentence(source.ErrNoRoom, "The disk of %s has %s free, too little for a copy of %s to compare its rows: take the copy that was set aside out with baton diverged restore --to DIR, and compare it with sqldiff.",
			s.kind.opt.Index, pair.BytesText(free), s.place)
	}
	return nil
}

// readUntil reads until the context is over.
type readUntil struct {
	ctx  context.Context //nolint:containedctx // it is a part of one call
	from io.Reader
}

func (r readUntil) Read(b []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.from.Read(b)
}

func section(f *os.File) *io.SectionReader {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return io.NewSectionReader(f, 0, 0)
	}
	return io.NewSectionReader(f, 0, size)
}
