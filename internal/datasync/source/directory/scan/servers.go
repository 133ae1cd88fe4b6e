package scan

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/dbserver"
	"baton/internal/datasync/source/directory/inode"
)

// Servers are the directories of database servers in a tree, by their paths.
type Servers map[string]dbserver.Kind

// Of returns the directory of a server that holds a path, or is it.
func (s Servers) Of(at string) (string, bool) {
	for len(s) > 0 {
		if _, is := s[at]; is {
			return at, true
		}
		if at == "." {
			break
		}
		at = manifest.Parent(at)
	}
	return "", false
}

// ServersIn finds those that a listing has.
func ServersIn(l manifest.Listing) Servers {
	found := Servers{}
	for c := range l.Dirs() {
		if kind := dbserver.In(c.Below); kind != "" {
			found[c.Path] = kind
		}
	}
	return found
}

// InUseError means that a database server uses a directory, and that it is not known what the peer has of it.
type InUseError struct {
	Path string // in the tree
	Kind dbserver.Kind
}

// Error implements error.
func (e *InUseError) Error() string { return fmt.Sprintf("%s uses %q", e.Kind, e.Path) }

// Unwrap makes it source.ErrChanging.
func (*InUseError) Unwrap() error { return source.ErrChanging }

// server notes a directory if it is that of a database server, and has it listed as the peer has it while the server uses it, or
// left out. It reports whether it has.
func (w *walker) server(d *folder, names []string) (held bool, err error) {
	kind := dbserver.Of(func(name string) bool { _, is := slices.BinarySearch(names, name); return is })
	if kind == "" || w.tree.Exclude.Matches(path.Join(d.path, kind.Sign())) {
		return false, nil
	}
	w.mu.Lock()
	w.scan.Servers[d.path] = kind
	w.mu.Unlock()
	if w.tree.Last == nil {
		return false, nil
	}
	if state := kind.Look(w.tree.Dir(), d.path); !state.InUse && !w.began[d.path] {
		w.mu.Lock()
		w.atRest[d.path] = state
		w.mu.Unlock()
		return false, nil
	}
	last, told := w.tree.Last(d.path, manifest.Dir, d.stamp.Ino)
	if !told {
		return false, &InUseError{d.path, kind}
	}
	was := source.Moving{Path: d.path, By: string(kind)}
	switch {
	case last.Kind == manifest.Dir && kind.Written(last.Below) != 0: // an empty one, or one that was being made, is no copy
		was.Was = time.Unix(0, kind.Written(last.Below))
	case d.path == ".": // it is there in any case
		last, was.LeftOut = manifest.Child{Entry: d.stamp.Entry(d.path)}, true
	default:
		d.gone, was.LeftOut = true, true
	}
	last.Note = inode.NoteOf(d.stamp, true)
	d.held = &last
	w.mu.Lock()
	defer w.mu.Unlock()
	w.scan.Moving = append(w.scan.Moving, was)
	return true, nil
}

// serverOf returns the directory of a database server at rest that holds a file.
func (w *walker) serverOf(file string) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at, is := w.scan.Servers.Of(file)
	if _, rests := w.atRest[at]; !is || !rests {
		return "", false
	}
	return at, true
}

// begins notes that a database server that was at rest is not any more.
func (w *walker) begins(at string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began[at] = true
}

// haveBegun looks once more at the database servers that were at rest, and names one that is not any more, or was not in between.
func (w *walker) haveBegun() (one *InUseError) {
	for at, state := range w.atRest {
		kind := w.scan.Servers[at]
		if w.began[at] || !kind.Look(w.tree.Dir(), at).Same(state) {
			w.begins(at)
			one = &InUseError{at, kind}
		}
	}
	return one
}

// sortMoving puts what is not listed as it is in order.
func sortMoving(m []source.Moving) {
	slices.SortFunc(m, func(a, b source.Moving) int { return strings.Compare(a.Path, b.Path) })
}

// newServer reports whether a directory is that of a database server by names that were noticed in it.
func (w *walker) newServer(dir string, noticed map[string]bool) bool {
	signs := slices.ContainsFunc(slices.Collect(maps.Keys(noticed)), dbserver.IsSign)
	return signs && w.tree.Last != nil && dbserver.Of(func(name string) bool {
		_, err := w.tree.Stat(path.Join(dir, name))
		return err == nil
	}) != ""
}

// rest notes database servers that were at rest. One that is not any more is found out in the end.
func (w *walker) rest(servers Servers) {
	if w.tree.Last == nil {
		return
	}
	for at, kind := range servers {
		w.scan.Servers[at] = kind
		if w.atRest[at] = kind.Look(w.tree.Dir(), at); w.atRest[at].InUse {
			w.begins(at)
		}
	}
}
