package directory

import (
	"errors"
	"io/fs"
	"path/filepath"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/dbserver"
	"baton/internal/datasync/source/directory/disk"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/datasync/source/directory/obstacle"
	"baton/internal/datasync/source/directory/scan"
)

// This file keeps a data sync from replacing the files of a database server that runs on this machine, or that has written since the data sync looked at them.

// holders finds the directories of database servers in a listing that hold some entries.
type holders struct {
	listing manifest.Listing
	asked   map[string]bool // directories
	found   scan.Servers
}

func holdersIn(listing manifest.Listing) holders {
	return holders{listing: listing, asked: map[string]bool{}, found: scan.Servers{}}
}

// add asks for those that hold an entry, or are it.
func (h holders) add(e manifest.Entry) {
	at := e.Path
	if e.Kind != manifest.Dir {
		at = manifest.Parent(at)
	}
	for ; !h.asked[at]; at = manifest.Parent(at) {
		h.asked[at] = true
		dir, is := h.listing.Find(at)
		if !is || dir.Kind != manifest.Dir {
			continue
		}
		if kind := dbserver.In(dir.Below); kind != "" {
			h.found[at] = kind
		}
	}
}

// replaced returns the directories of database servers here in which something is not as wanted.
func (p *protected) replaced(want manifest.Listing) scan.Servers {
	here := holdersIn(p.scan.Listing)
	differs := func(e manifest.Entry) {
		if e.Path != "." { // Baton writes to it
			here.add(e)
		}
	}
	manifest.Walk(p.scan.Listing, want, differs, differs, func(is, wanted manifest.Entry) {
		if !is.Same(wanted) {
			differs(is)
		}
	})
	return here.found
}

// checkRest refuses to replace what a database server uses on this machine, for certain.
func (p *protected) checkRest(servers scan.Servers) error {
	for at, kind := range servers {
		if kind.Runs(p.tree.Dir(), at) {
			return &obstacle.Error{
				Path: filepath.Join(p.tree.Path(), at), Why: "is used by " + string(kind) + " on this machine",
				Remedy: "stop it on this machine, which is a backup",
			}
		}
	}
	return nil
}

// written names a path in the directory of one of some database servers to which something was written since it was listed.
func (p *protected) written(servers scan.Servers, listing manifest.Listing) (server, path string, is bool) {
	if len(servers) == 0 {
		return "", "", false
	}
	numbered := disk.KeepsNumbers(p.tree.Dir().Fd())
	for one := range listing.Children() {
		at, is := servers.Of(one.Path)
		if !is || one.Path == "." || one.Kind == manifest.Link { // Baton writes to the first, and the other is a name of a file
			continue
		}
		now, err := p.tree.Stat(one.Path)
		other := numbered && now.Ino != one.Note.Ino
		if err != nil || other || now.ModTime != one.ModTime || (one.Kind == manifest.File && now.Size != one.Size) {
			return at, one.Path, true
		}
	}
	return "", "", false
}

// ErrUsed means that a program of this machine uses what is to be replaced.
var ErrUsed = errors.New("a program uses it")

// lock keeps the programs of this machine from what is about to be replaced. It fails if one uses it, or has changed it since it was looked at.
func (t *target) lock() error {
	p := t.of
	if p.kind.opt.Lock == nil {
		return nil
	}
	var err error
	t.release, err = p.kind.opt.Lock(p.data)
	if errors.Is(err, ErrUsed) {
		return p.inUse()
	}
	if err != nil {
		return err
	}
	return p.partChanged()
}

func (p *protected) inUse() error {
	return &obstacle.Error{Path: p.tree.Path(), Why: "is open in a program on this machine", Remedy: "stop that program on this machine, which is a backup"}
}

// partChanged fails if a part of a directory is not as it was when it was looked at, or has got a name more.
func (p *protected) partChanged() error {
	for _, name := range p.tree.Part().Names {
		was, listed := p.scan.Listing.Find(name)
		now, err := p.tree.Stat(name)
		isThere := !errors.Is(err, fs.ErrNotExist)
		if isThere != listed || (listed && (err != nil || isOther(now, was))) {
			return source.Sentence(source.ErrChanging, "A program on this machine, which is a backup, used %s while a data sync was about to replace it: stop that program; nothing was replaced, and it is tried again by itself.", p.tree.Path())
		}
	}
	return nil
}

// isOther reports whether what is there now was written to since it was listed, or is something else.
func isOther(now inode.Stamp, was manifest.Child) bool {
	return now.Kind() != was.Kind || (was.Kind == manifest.File && (now.Ino != was.Note.Ino || now.Size != was.Size || now.ModTime != was.ModTime))
}

// Check implements source.Change. What a database server has written since the scan is in no diverged copy.
func (c *change) Check() error {
	p := c.of
	if err := c.settled.lock(); err != nil {
		return explain(err, p.tree.Path())
	}
	servers := p.replaced(c.settled.want)
	if err := p.checkRest(servers); err != nil {
		return explain(err, p.tree.Path())
	}
	if at, path, is := p.written(servers, p.scan.Listing); is {
		return source.Sentence(source.ErrChanging, "%s in %s was written to while a data sync was about to replace it (%s/%s changed): stop that database server on this machine; nothing was replaced, and it is tried again by itself.",
			servers[at], filepath.Join(p.tree.Path(), at), p.tree.Path(), path)
	}
	return nil
}
