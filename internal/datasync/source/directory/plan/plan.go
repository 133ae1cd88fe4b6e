// Package plan decides what turns one directory tree into another: it compares what an
// appliance has with what it should have. It is pure: no file, clock or goroutine.
package plan

import (
	"slices"

	"baton/internal/datasync/manifest"
)

// Work is what turns one tree into another, in the order in which it is done.
// Doing a part of it, and then the Work of what is left, ends the same.
type Work struct {
	Remove []manifest.Entry // of the tree as it is; children before parents
	Mkdir  []manifest.Entry // parents before children
	Put    []manifest.Entry // files, symlinks, pipes to be staged and renamed into place
	Link   []manifest.Entry // further names; after Put
	Touch  []manifest.Entry // files whose content is right and metadata is not
	Dirs   []manifest.Entry // directories whose metadata is to be set; children before parents
}

// IsEmpty reports whether there is nothing to do.
func (w Work) IsEmpty() bool {
	return len(w.Remove)+len(w.Mkdir)+len(w.Put)+len(w.Link)+len(w.Touch)+len(w.Dirs) == 0
}

// Compare returns the work that turns have into want. Both are sorted by path.
func Compare(have, want []manifest.Entry) Work {
	c := comparison{puts: map[string]bool{}, dirty: map[string]bool{}}
	manifest.Walk(have, want, c.removed, c.added, c.both)
	slices.Reverse(c.work.Remove)
	for _, e := range slices.Backward(want) {
		if e.Kind == manifest.Dir && c.dirty[e.Path] {
			c.work.Dirs = append(c.work.Dirs, e)
		}
	}
	return c.work
}

type comparison struct {
	work  Work
	puts  map[string]bool // paths of Put: their further names must be linked anew
	dirty map[string]bool // directories whose metadata is to be set at the end
}

func (c *comparison) removed(e manifest.Entry) {
	c.work.Remove = append(c.work.Remove, e)
	c.dirty[manifest.Parent(e.Path)] = true
}

func (c *comparison) added(e manifest.Entry) {
	c.dirty[manifest.Parent(e.Path)] = true
	switch e.Kind {
	case manifest.Dir:
		c.work.Mkdir = append(c.work.Mkdir, e)
		c.dirty[e.Path] = true
	case manifest.Link:
		c.work.Link = append(c.work.Link, e)
	case manifest.File, manifest.Symlink, manifest.Fifo:
		c.work.Put = append(c.work.Put, e)
		c.puts[e.Path] = true
	case manifest.Blob: // no tree has one
	}
}

func (c *comparison) both(have, want manifest.Entry) {
	same, sameMeta := have.SameContent(want), have.SameMeta(want)
	switch {
	case (have.Kind == manifest.Dir) != (want.Kind == manifest.Dir):
		c.removed(have)
		c.added(want)
	case want.Kind == manifest.Dir:
		if !sameMeta {
			c.dirty[want.Path] = true
		}
	case !same, want.Kind == manifest.Link && c.puts[want.Target]:
		c.added(want)
	case sameMeta:
	case want.Kind == manifest.File && !grants(want):
		c.work.Touch = append(c.work.Touch, want)
	default: // symlinks and pipes cost nothing to make anew; rights need content that nobody can exchange
		c.added(want)
	}
}

// grants reports whether a file gives rights to whoever runs it.
func grants(e manifest.Entry) bool {
	const setID = 0o6000 // setuid, setgid
	return e.Mode&setID != 0 || slices.ContainsFunc(e.XAttrs, func(x manifest.XAttr) bool { return x.Name == "security.capability" })
}
