package directory

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/hint"
	"baton/internal/datasync/source/directory/scan"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/pair"
	"baton/internal/pair/exclude"
)

// atRest returns the directories of database servers that are listed as they are. It fails if one of them is in use by now, or one that was
// left as the peer has it is to be listed as it is: the whole has to be looked at.
func (x *index) atRest(dir *tree.Tree) (scan.Servers, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if dir.Last == nil {
		x.servers = nil // what this look finds of them is not kept
		for _, m := range x.moving {
			if m.By != "" {
				return nil, errNotFollowed
			}
		}
		return scan.Servers{}, nil
	}
	if x.servers == nil {
		x.servers = scan.ServersIn(x.files)
	}
	rest := maps.Clone(x.servers)
	for at, kind := range x.servers {
		switch held := x.moving[at].By != ""; {
		case held && at == ".":
			return nil, errNotFollowed
		case held:
			delete(rest, at)
		case kind.Look(dir.Dir(), at).InUse:
			return nil, errNotFollowed
		}
	}
	return rest, nil
}

// noticed returns what was noticed, and the directories of database servers that are listed as they are.
func (x *index) noticed(dir *tree.Tree, watch *hint.Watch) (scan.Servers, hint.Names, error) {
	rest, err := x.atRest(dir)
	if err != nil {
		return nil, nil, err
	}
	names, err := watch.Take()
	if err == nil {
		x.dropHeld(names)
	}
	return rest, names, err
}

// touches reports whether something was noticed in the directory of a database server.
func touches(servers scan.Servers, names hint.Names) bool {
	for dir := range names {
		if _, is := servers.Of(dir); is {
			return true
		}
	}
	return false
}

// dropHeld takes out of what was noticed all that is in directories which database servers use: they are looked at as one.
func (x *index) dropHeld(names hint.Names) {
	x.mu.Lock()
	defer x.mu.Unlock()
	held := scan.Servers{}
	for at, kind := range x.servers {
		if x.moving[at].By != "" {
			held[at] = kind
		}
	}
	maps.DeleteFunc(names, func(dir string, _ map[string]bool) bool {
		_, is := held.Of(dir)
		return is
	})
}

// noteServers adds directories of database servers that were found.
func (x *index) noteServers(found scan.Servers) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.servers != nil {
		maps.Copy(x.servers, found)
	}
}

// knownServers returns the directories of database servers that the newest scan found.
func (x *index) knownServers() scan.Servers {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.servers)
}

// lastOfServer returns the directory of a database server as a snapshot of the peer has it; the zero value: no snapshot has all of it, or the peer has another
// state by now. One with further names of files, which may be names of files elsewhere, cannot be listed by itself.
func (x *index) lastOfServer(has manifest.Set, now pair.Data, dir *tree.Tree, path string, ino uint64) manifest.Child {
	at, found := has.As(now).Find(path)
	if !found {
		at, found = x.renamed(has.As(now), manifest.Dir, identityOf(dir, path, ino))
	}
	if !found || at.Kind != manifest.Dir || at.Below.Sum().Links > 0 || x.isLacked(path) || hid(has.Data, now, at.Path) {
		return manifest.Child{}
	}
	at.Path = path
	return at
}

// hid reports whether a part of what is at a path may have been excluded by a definition, and is not by another one.
func hid(was, now pair.Data, at string) bool {
	excluded := now.Spec.Excludes().List()
	return slices.ContainsFunc(was.Spec.Excludes().List(), func(pattern string) bool {
		return !slices.Contains(excluded, pattern) && exclude.Concerns(pattern, at)
	})
}

// isLacked reports whether the peer has asked for what belongs to a server that was listed as the peer has it.
func (x *index) isLacked(server string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lacked[server]
}

// lack notes that the peer has asked for what belongs to a server, if that was listed as the peer has it; else it reports false.
func (x *index) lack(server string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.moving[server].By == "" {
		return false
	}
	if x.lacked == nil {
		x.lacked = map[string]bool{}
	}
	x.lacked[server] = true
	return true
}

// leftOut returns what is listed of some data, and as what: what the peer has no snapshot of is excluded besides what its definition excludes. If that is all of
// it, nothing is listed.
func leftOut(of pair.Data, found scan.Result) (manifest.Listing, pair.Spec, error) {
	patterns := of.Spec.Excludes().List()
	for _, one := range found.Moving {
		switch {
		case one.LeftOut && one.Path == ".":
			return manifest.Listing{}, of.Spec, nil
		case one.LeftOut:
			patterns = append(patterns, exclude.Only(one.Path))
		}
	}
	spec, is := of.Spec.(pair.Directory)
	if !is || len(patterns) == len(of.Spec.Excludes().List()) {
		return found.Listing, of.Spec, nil
	}
	spec, err := spec.Excluding(patterns)
	return found.Listing, spec, err
}

// another says that a file of a database server is not what was listed. If that is what the peer has, the peer has it no more: it is told that the file is gone, and
// asks anew.
func (r *reader) another(path, server string) error {
	if r.index.lack(server) {
		return fmt.Errorf("%q is of a database server in use: %w", path, fs.ErrNotExist)
	}
	return source.Sentence(source.ErrChanging, "File %s belongs to the database server in %s, which is in use, so that it cannot be sent as of one moment: the data sync is tried again by itself; if it keeps failing, stop that server once, or leave its directory out with baton data set NAME --exclude.", path, server)
}
