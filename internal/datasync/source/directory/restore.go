package directory

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"time"

	"baton/internal/datasync/archive"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/datasync/source/directory/scan"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/pair"
)

// Pack writes what is chosen of a diverged copy into an archive, with the directories that lead there.
func Pack(ctx context.Context, copied string, chosen archive.Chosen, to *archive.Writer) error {
	from, err := tree.Open(copied+"/"+copyFiles, nil)
	if err != nil {
		return explain(err, copied)
	}
	defer func() { _ = from.Close() }()
	from.Scheme = manifest.Newest
	found, err := scan.Whole(ctx, from, manifest.Listing{}, time.Now, nil)
	if err != nil {
		return explain(err, copied)
	}
	for e := range found.Listing.All() {
		if e.Path == "." {
			continue
		}
		data, path := divide(e.Path)
		if !chosen.Has(data, path) && (e.Kind != manifest.Dir || !chosen.Leads(data, path)) {
			continue
		}
		if err := packOne(ctx, from, found.Listing, e, to); err != nil {
			return explain(err, copied)
		}
	}
	return nil
}

// divide is the name of the data of a path in a diverged copy, and the path in that.
func divide(path string) (data, rest string) {
	for i := range path {
		if path[i] == '/' {
			return path[:i], path[i+1:]
		}
	}
	return path, "."
}

func packOne(ctx context.Context, from *tree.Tree, all manifest.Listing, e manifest.Entry, to *archive.Writer) error {
	at := e.Path
	if e.Kind == manifest.Link {
		of, _ := all.Find(e.Target)
		e = of.Entry
	}
	data, path := divide(at)
	where := e.Path
	e.Path = path
	return to.Add(data, e, func(w io.Writer) error {
		f, stamp, err := from.OpenFile(where)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		return inode.Reading{File: f, Stamp: stamp, Path: where}.Pass(ctx, 0, e.Size, &writer{to: w})
	})
}

// writer is a source.Sink that writes, holes as zeros.
type writer struct {
	source.Whole

	to    io.Writer
	zeros []byte
}

// Data implements source.Sink.
func (w *writer) Data(b []byte) error {
	_, err := w.to.Write(b)
	return err
}

// Hole implements source.Sink.
func (w *writer) Hole(n int64) error {
	const most = 64 << 10
	if w.zeros == nil {
		w.zeros = make([]byte, most)
	}
	for ; n > 0; n -= min(n, most) {
		if err := w.Data(w.zeros[:min(n, most)]); err != nil {
			return err
		}
	}
	return nil
}

// restoration is entries on their way back into a protected directory. It implements source.Restoration.
type restoration struct {
	of      *protected
	staging *tree.Staging
	entries []manifest.Entry
	there   map[string]bool // of these, what is in place already
}

// Restore implements source.Restorer.
func (p *protected) Restore() (source.Restoration, error) {
	p.tree.Scheme = manifest.Newest
	err := p.tree.DropStaging()
	r := &restoration{of: p, there: map[string]bool{}}
	if err == nil {
		r.staging, err = p.tree.Stage()
	}
	if err != nil {
		return nil, explain(err, p.tree.Path())
	}
	return r, nil
}

// Close implements source.Restoration.
func (r *restoration) Close() error {
	return explain(errors.Join(r.staging.Close(), r.of.tree.DropStaging()), r.of.tree.Path())
}

// Take implements source.Restoration.
func (r *restoration) Take(ctx context.Context, e manifest.Entry, content io.Reader) (err error) {
	switch e.Kind {
	case manifest.Dir:
	case manifest.File:
		e.Hash, err = r.staging.Receive(ctx, e, content)
	case manifest.Symlink, manifest.Fifo:
		err = r.staging.Make(e)
	case manifest.Link, manifest.Blob:
		err = fs.ErrInvalid
	}
	if top, _ := topOf(e.Path); tree.IsOwn(top) {
		err = source.Sentence(source.ErrUnsafe, "%s is Baton's own: choose other files.", top)
	}
	if e.Path != "." {
		r.entries = append(r.entries, e)
	}
	return explain(err, r.of.tree.Path())
}

func topOf(path string) (top, rest string) { return divide(path) }

// Occupied implements source.Restoration.
func (r *restoration) Occupied(ctx context.Context) ([]string, error) {
	var paths []string
	dir := r.of.tree
	for _, e := range r.entries {
		switch {
		case !r.staging.Occupied(e.Path):
		case e.Kind == manifest.Dir && r.staging.IsDirectory(e.Path):
		case r.same(ctx, e):
			r.there[e.Path] = true
		case e.Kind == manifest.Dir, r.staging.IsDirectory(e.Path):
			return nil, source.Sentence(source.ErrBlocked, "%s/%s is a directory on one side and a file on the other: rename it, then try again; nothing was changed.", dir.Path(), e.Path)
		default:
			paths = append(paths, e.Path)
		}
	}
	return paths, nil
}

// same reports whether a file is there already.
func (r *restoration) same(ctx context.Context, e manifest.Entry) bool {
	stamp, err := r.of.tree.Stat(e.Path)
	if err != nil || e.Kind != manifest.File || stamp.Kind() != manifest.File || stamp.Size != e.Size {
		return false
	}
	here, _, _, err := r.of.tree.Hash(ctx, e.Path, time.Now, time.Now())
	return err == nil && here.Hash == e.Hash && here.SameMeta(e)
}

// Place implements source.Restoration.
func (r *restoration) Place(suffix string) (kept []string, err error) {
	dir := r.of.tree
	var made []manifest.Entry
	for _, e := range r.entries {
		beside := besideOf(e.Path, suffix)
		switch {
		case r.there[e.Path]:
		case e.Kind == manifest.Dir && r.staging.IsDirectory(e.Path):
		case e.Kind == manifest.Dir:
			err = r.staging.MakeDirectory(e.Path)
			made = append(made, e)
		case r.staging.Occupied(e.Path):
			if err = r.staging.PlaceBeside(e.Path, beside); err == nil {
				kept = append(kept, beside)
			}
		default:
			err = r.staging.Place(e.Path)
		}
		if err != nil {
			return kept, explain(err, dir.Path())
		}
	}
	for _, e := range slices.Backward(made) {
		err = errors.Join(err, r.staging.SetMeta(e))
	}
	return kept, explain(errors.Join(err, dir.Sync()), dir.Path())
}

// besideOf is the name that what is at a path gets with a suffix.
func besideOf(path, suffix string) string {
	parent, name := manifest.Parent(path), path
	if parent != "." {
		name = path[len(parent)+1:]
	}
	name = name[:min(len(name), pair.MaxName-len(suffix)-2)] + suffix
	if parent == "." {
		return name
	}
	return parent + "/" + name
}
