package directory

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
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/datasync/source/directory/plan"
	"baton/internal/datasync/source/directory/scan"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/kept"
)

// copyFiles is the directory in a diverged copy in which each protected directory has
// one of its own, by its name.
const copyFiles = "files"

// SetAside implements source.Source: it copies the changed entries with all their metadata.
func (p *protected) SetAside(ctx context.Context, d source.Divergence, into string) ([]kept.DivergedFile, error) {
	dir := filepath.Join(into, copyFiles)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, explain(err, dir)
	}
	files, err := copyOf{d, p.data.Name}.make(ctx, p.tree, filepath.Join(dir, p.data.Name))
	if err == nil {
		err = p.checkStill(d)
	}
	return files, explain(err, into)
}

// checkStill refuses a copy of the directory of a database server in which something was written since it was looked at, as by a server that Baton does not run: its files would
// be of several moments. What nobody wrote to is of one, whether a server uses it or not.
func (p *protected) checkStill(d source.Divergence) error {
	copied := holdersIn(d.All)
	for _, e := range d.Changed {
		copied.add(e)
	}
	if at, path, is := p.written(copied.found, d.All); is {
		return source.Sentence(source.ErrChanging, "%s in %s was written to while what only this appliance has was set aside, so that no copy of it would be whole (%s/%s changed): stop that database server on this machine; nothing was replaced, and it is tried again by itself.",
			copied.found[at], filepath.Join(p.tree.Path(), at), p.tree.Path(), path)
	}
	return nil
}

// Export copies a whole diverged copy with all its metadata to a directory, which must
// not exist or be empty.
func Export(ctx context.Context, from, to string) error {
	if names, err := os.ReadDir(to); err == nil && len(names) > 0 {
		return source.Sentence(fs.ErrExist, "%s is not empty: name a new directory for the export.", to)
	}
	copied, err := tree.Open(from, nil)
	if err != nil {
		return explain(err, from)
	}
	defer func() { _ = copied.Close() }()
	copied.Scheme = manifest.Newest
	found, err := scan.Whole(ctx, copied, manifest.Listing{}, time.Now, nil)
	if err == nil {
		_, err = copyOf{Divergence: source.Divergence{Changed: slices.Collect(found.Listing.All()), All: found.Listing}}.make(ctx, copied, to)
	}
	if err != nil {
		return fmt.Errorf("export diverged copy: %w", explain(err, to))
	}
	return nil
}

// copyOf is a copy of what diverged in some data.
type copyOf struct {
	source.Divergence

	data string // its name
}

// make copies the changed entries of a tree into a directory, and lists the files.
func (c copyOf) make(ctx context.Context, from *tree.Tree, dir string) ([]kept.DivergedFile, error) {
	to, err := tree.Create(dir, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = to.Close() }()
	to.Scheme = manifest.Newest
	staging, err := to.Stage()
	if err != nil {
		return nil, err
	}
	defer func() { _ = staging.Close() }()
	want := c.wanted()
	for i := range want {
		if err := stageOne(ctx, from, staging, &want[i]); err != nil {
			return nil, err
		}
	}
	listing, err := manifest.ListingOf(want)
	if err != nil {
		return nil, err
	}
	work := plan.Compare(manifest.NewListing(manifest.Child{Entry: manifest.Entry{Kind: manifest.Dir}}), listing)
	steps, err := staging.Prepare(work, manifest.Listing{})
	if err == nil {
		err = to.Apply(steps, func(string) {})
	}
	if err == nil {
		err = to.DropStaging()
	}
	if err != nil {
		return nil, err
	}
	return c.list(ctx, to)
}

// wanted is a tree of the changed entries, with the directories that lead to
// them. Another name of a file that did not change becomes a file of its own.
func (c copyOf) wanted() []manifest.Entry {
	needed := map[string]bool{".": true}
	for _, entry := range c.Changed {
		for path := entry.Path; path != "." && !needed[path]; path = manifest.Parent(path) {
			needed[path] = true
		}
	}
	var want []manifest.Entry
	for path := range needed {
		found, _ := c.All.Find(path) // a changed entry is one of all
		entry := found.Entry
		if entry.Kind == manifest.Link && !needed[entry.Target] {
			of, _ := c.All.Find(entry.Target)
			entry = of.Entry
			entry.Path = path
		}
		want = append(want, entry)
	}
	slices.SortFunc(want, func(a, b manifest.Entry) int { return manifest.ComparePaths(a.Path, b.Path) })
	return want
}

func stageOne(ctx context.Context, from *tree.Tree, staging *tree.Staging, entry *manifest.Entry) error {
	switch entry.Kind {
	case manifest.File:
		return staging.CopyFrom(ctx, from, entry)
	case manifest.Symlink, manifest.Fifo:
		return staging.Make(*entry)
	case manifest.Dir, manifest.Link, manifest.Blob:
	}
	return nil
}

// list returns every file of the copy, hashed, and what was removed.
func (c copyOf) list(ctx context.Context, to *tree.Tree) ([]kept.DivergedFile, error) {
	var files []kept.DivergedFile
	for _, entry := range c.wanted() {
		if entry.Kind != manifest.File && entry.Kind != manifest.Link {
			continue
		}
		f, stamp, err := to.OpenFile(entry.Path)
		if err != nil {
			return nil, err
		}
		sum, err := listedHash(ctx, f, stamp)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("hash diverged file: %w", err)
		}
		files = append(files, kept.DivergedFile{
			Data: c.data, Path: entry.Path, Size: stamp.Size, SHA256: sum, ModTime: time.Unix(0, stamp.ModTime).UTC(),
			Hash: manifest.Version(c.All, entry.Path).Hash, Was: manifest.Version(c.Was, entry.Path),
		})
	}
	for _, was := range c.Removed {
		if was.Kind == manifest.File || was.Kind == manifest.Link {
			files = append(files, kept.DivergedFile{
				Data: c.data, Path: was.Path, Deleted: true, Size: was.Size, ModTime: time.Unix(0, was.ModTime).UTC(),
				Was: manifest.Version(c.Was, was.Path),
			})
		}
	}
	return files, nil
}

// manyHoles is from how many bytes of holes on a file is listed without a hash: hashing
// them would keep a machine from coming back for hours.
const manyHoles = 16 << 30

func listedHash(ctx context.Context, f *os.File, stamp inode.Stamp) (string, error) {
	if stamp.Size-stamp.Alloc > manyHoles {
		return "", nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", errors.Join(err, ctx.Err())
	}
	return hex.EncodeToString(h.Sum(nil)), ctx.Err()
}
