package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/sqlite/image"
	"baton/internal/kept"
	"baton/internal/pair"
)

// files are what package directory makes of a database. It has more than 8 methods, as the engine asks a source for more than source.Source says.
type files interface {
	source.Source
	source.Keeper
}

// received is a database that is to be replaced. It implements source.Source.
type received struct {
	files

	kind *Kind
	data pair.Data
}

// copyFiles is the directory in a diverged copy in which each piece of data has one of its own, as package directory makes it.
const copyFiles = "files"

// SetAside implements source.Source: it copies the database as its newest transaction has left it, as one file. What is no database that can be read
// is copied as it lies there.
func (r *received) SetAside(ctx context.Context, d source.Divergence, into string) ([]kept.DivergedFile, error) {
	name := filepath.Base(r.kind.opt.Place(r.data))
	if !r.mayBeOne(d, name) {
		return r.files.SetAside(ctx, d, into)
	}
	file, err := r.copy(ctx, d, name, filepath.Join(into, copyFiles, r.data.Name))
	switch {
	case image.IsUnreadable(err):
		return r.files.SetAside(ctx, d, into)
	case err != nil:
		return nil, source.Explain(err, into)
	}
	return []kept.DivergedFile{file}, nil
}

// mayBeOne reports whether a divergence is a database that is there, and nothing but its files: what lies beside it belongs to it.
func (r *received) mayBeOne(d source.Divergence, name string) bool {
	of := partOf(r.kind.opt.Place(r.data))
	isOther := func(e manifest.Entry) bool { return e.Kind != manifest.File || !slices.Contains(of.Names, e.Path) }
	is, found := d.All.Find(name)
	return found && is.Kind == manifest.File && len(d.Changed) > 0 && !slices.ContainsFunc(d.Changed, func(e manifest.Entry) bool { return e.Path != "." && isOther(e) })
}

// copy copies the database to a directory, and lists the copy.
func (r *received) copy(ctx context.Context, d source.Divergence, name, dir string) (file kept.DivergedFile, err error) {
	e, _ := d.All.Find(name)
	err = r.read(ctx, func(i *image.Image) (err error) {
		if isBeside(d, i) {
			return errBeside
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		to, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // in the copy
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, to.Close()) }()
		sum, hash := sha256.New(), d.Scheme.Hash(i.Size())
		size, err := io.Copy(io.MultiWriter(to, sum, hash), readUntil{ctx, io.NewSectionReader(i, 0, i.Size())})
		if err != nil {
			return fmt.Errorf("copy the database: %w", err)
		}
		of := hash.Sum()
		file = kept.DivergedFile{
			Data: r.data.Name, Path: name, Size: size, SHA256: hex.EncodeToString(sum.Sum(nil)), Hash: hex.EncodeToString(of[:]),
			ModTime: time.Unix(0, e.ModTime).UTC(), Was: manifest.Version(d.Was, name),
		}
		return errors.Join(i.Check(), to.Chown(int(e.UID), int(e.GID)), to.Chmod(os.FileMode(e.Mode).Perm()), to.Sync())
	})
	return file, err
}

// errBeside means that something lies beside a database that is no part of it.
var errBeside = fmt.Errorf("%w: it has other files beside it", image.ErrDamaged)

// isBeside reports whether what differs is more than a database: a journal beside one with a log, or a log beside one without.
func isBeside(d source.Divergence, i *image.Image) bool {
	others := []string{image.Log, image.Index}
	if i.HasLog() {
		others = []string{image.Journal}
	}
	return slices.ContainsFunc(d.Changed, func(e manifest.Entry) bool {
		return e.Size > 0 && slices.ContainsFunc(others, func(suffix string) bool { return strings.HasSuffix(e.Path, suffix) })
	})
}

// Holds implements source.Holder. A log may be in the file by now, or in none.
func (r *received) Holds(ctx context.Context, d source.Divergence, of ...manifest.Listing) (bool, error) {
	name := filepath.Base(r.kind.opt.Place(r.data))
	if !r.mayBeOne(d, name) {
		return false, nil
	}
	same := false
	err := r.read(ctx, func(i *image.Image) error {
		wanted := map[manifest.Hash]bool{}
		for _, listing := range of {
			if is, found := listing.Find(name); found && is.Kind == manifest.File && is.Size == i.Size() {
				wanted[is.Hash] = true
			}
		}
		if len(wanted) == 0 || isBeside(d, i) {
			return nil
		}
		hash := d.Scheme.Hash(i.Size())
		if _, err := io.Copy(hash, readUntil{ctx, io.NewSectionReader(i, 0, i.Size())}); err != nil {
			return fmt.Errorf("read the database: %w", err)
		}
		same = wanted[hash.Sum()]
		return i.Check()
	})
	if image.IsUnreadable(err) {
		return false, nil
	}
	return same, err
}

// read hands on the database as its newest transaction has left it.
func (r *received) read(ctx context.Context, take func(*image.Image) error) (err error) {
	s, err := r.kind.serve(r.data, source.Final)
	if errors.Is(err, source.ErrMissing) { // with its directory
		return image.ErrNoDatabase
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	i, err := image.New(s.name()).Read(ctx, s.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return image.ErrNoDatabase
	case image.IsUnreadable(err):
		return err
	case err != nil:
		return s.explain(err)
	}
	return errors.Join(take(i), i.Close())
}
