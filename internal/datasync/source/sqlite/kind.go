package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/datasync/source/sqlite/image"
	"baton/internal/pair"
	"baton/internal/pinned"
)

// Options are what a Kind is made of. Those that are of directory.Options as well mean the same.
type Options struct {
	Index   string // directory of its own
	Own     []string
	Place   func(pair.Data) string // path of the database; nil: that of its definition
	Allowed func(place, real string) string
	Log     *slog.Logger
	Boot    string
}

// Kind is the kind of data that is an SQLite database. It implements source.Kind.
type Kind struct {
	*directory.Kind // for a backup, where it is a few files

	opt Options

	mu        sync.Mutex
	followers map[string]*follower // by path of the database
}

// New makes the kind, and its own directory.
func New(opt Options) (*Kind, error) {
	if opt.Allowed == nil {
		opt.Allowed = func(string, string) string { return "" }
	}
	if opt.Place == nil {
		opt.Place = func(d pair.Data) string { return d.Spec.String() }
	}
	files, err := directory.New(directory.Options{
		Index: opt.Index, Own: opt.Own, Place: opt.Place, Allowed: opt.Allowed, Log: opt.Log, Boot: opt.Boot,
		Part: func(d pair.Data) tree.Part { return partOf(opt.Place(d)) }, Lock: func(d pair.Data) (func(), error) { return lock(opt.Place(d)) },
	})
	if err != nil {
		return nil, err
	}
	return &Kind{Kind: files, opt: opt, followers: map[string]*follower{}}, nil
}

// lock keeps programs from the database at a path until it is released; nil: there is none. It fails with directory.ErrUsed if one uses it.
func lock(path string) (release func(), err error) {
	dir, err := pinned.Open(filepath.Dir(path), nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	held, err := image.New(filepath.Base(path)).Lock(dir)
	switch {
	case errors.Is(err, image.ErrLocked):
		return nil, directory.ErrUsed
	case err != nil, held == nil:
		return nil, err
	}
	return func() { _ = held.Close() }, nil
}

// partOf is what of its directory a database is.
func partOf(path string) tree.Part {
	name := filepath.Base(path)
	return tree.Part{Names: []string{name, name + image.Journal, name + image.Index, name + image.Log}, Prefix: "." + name}
}

// Check implements source.Kind: a database is one file.
func (*Kind) Check(set manifest.Set) error {
	name := filepath.Base(set.Data.Spec.String())
	for e := range set.All() {
		isIt := e.Path == "." && e.Kind == manifest.Dir || e.Path == name && e.Kind == manifest.File
		if !isIt {
			return fmt.Errorf("%w: a database has no %q", manifest.ErrMalformed, e.Path)
		}
	}
	return nil
}

// Open implements source.Kind.
func (k *Kind) Open(data pair.Data, purpose source.Purpose) (source.Source, error) {
	if purpose == source.Receive || purpose == source.Recover {
		src, err := k.Kind.Open(data, purpose)
		if err != nil {
			return nil, err
		}
		return &received{files: src.(files), kind: k, data: data}, nil //nolint:forcetypeassert // package directory has no other
	}
	return k.serve(data, purpose)
}

// serve opens a database that is there, to be read.
func (k *Kind) serve(data pair.Data, purpose source.Purpose) (*served, error) {
	place := k.opt.Place(data)
	refused := error(nil)
	dir, err := pinned.Open(filepath.Dir(place), func(real string) error {
		if no := k.opt.Allowed(place, real+"/"+filepath.Base(place)); no != "" {
			refused = source.Sentence(source.ErrNotAllowed, "%s.", no)
		}
		return refused
	})
	switch {
	case refused != nil:
		return nil, refused
	case errors.Is(err, fs.ErrNotExist):
		return nil, missing(place)
	case err != nil:
		return nil, source.Explain(err, place)
	}
	s := &served{kind: k, data: data, dir: dir, place: place, purpose: purpose}
	if err := checkLocal(dir); err != nil {
		return nil, errors.Join(s.explain(err), dir.Close())
	}
	return s, nil
}

func missing(place string) error {
	return source.Sentence(source.ErrMissing, "The database %s does not exist: restore it, or remove it from the protected data.", place)
}
