// Package dbserver recognises the directory in which a database server keeps its data, and tells whether the server uses it.
// The files of one that is in use belong together only as the server sees them, so they cannot be copied one by one.
//
// Start reading at Of, then Kind.Look.
package dbserver

import (
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/pinned"
)

// Kind is a kind of database server, as people call it; empty: none.
type Kind string

// The kinds.
const (
	PostgreSQL Kind = "PostgreSQL"
	InnoDB     Kind = "MariaDB or MySQL"
)

// Names in such a directory.
const (
	version = "PG_VERSION"
	global  = "global"
	control = "pg_control" // in global
	lock    = "postmaster.pid"
	system  = "ibdata1"
	redo    = "ib_logfile0"
	redoDir = "#innodb_redo"
)

// Of returns the kind of server whose directory has some names.
func Of(has func(name string) bool) Kind {
	switch {
	case has(version) && has(global):
		return PostgreSQL
	case has(system):
		return InnoDB
	}
	return ""
}

// In returns the kind of server whose directory is listed as a branch.
func In(dir *manifest.Branch) Kind {
	return Of(func(name string) bool { _, is := dir.Find(name); return is })
}

// IsSign reports whether Of asks for a name.
func IsSign(name string) bool { return name == version || name == global || name == system }

// Sign is the name by which a directory of this kind is recognised first.
func (k Kind) Sign() string {
	if k == PostgreSQL {
		return version
	}
	return system
}

// Written returns when a server that is at rest wrote its directory last, as listed, in Unix nanoseconds; 0: not known.
func (k Kind) Written(dir *manifest.Branch) int64 {
	name := system
	if k == PostgreSQL {
		i, is := dir.Find(global)
		if !is {
			return 0
		}
		dir, name = dir.At(i).Below, control
	}
	if i, is := dir.Find(name); is {
		return dir.At(i).ModTime
	}
	return 0
}

// State is what one look at such a directory found. Two that are the same and not in use: no server used it in between.
type State struct {
	InUse  bool
	stamps [2]inode.Stamp // of what a server writes when it begins and ends
}

// Same reports whether nothing has happened between two looks.
func (s State) Same(other State) bool {
	return s.InUse == other.InUse && s.stamps[0].Unchanged(other.stamps[0]) && s.stamps[1].Unchanged(other.stamps[1])
}

// Look looks at the directory at a path. What cannot be told is in use.
func (k Kind) Look(dir *pinned.Dir, path string) State {
	at := func(name string) string {
		if path == "." {
			return name
		}
		return path + "/" + name
	}
	stamp := func(name string) inode.Stamp {
		s, err := dir.Stat(at(name))
		if err != nil {
			return inode.Stamp{}
		}
		return inode.StampOf(&s)
	}
	if k == PostgreSQL {
		s := State{stamps: [2]inode.Stamp{stamp(global + "/" + control), stamp(lock)}}
		s.InUse = s.stamps[1].Ino != 0 || inUse(dir, at(global+"/"+control), notShutDown)
		return s
	}
	s := State{stamps: [2]inode.Stamp{stamp(system), stamp(redo)}}
	if s.stamps[1].Ino == 0 {
		s.stamps[1] = stamp(redoDir)
	}
	s.InUse = inUse(dir, at(system), locked)
	return s
}

// inUse asks a file of the server. One that is not there tells of none.
func inUse(dir *pinned.Dir, path string, ask func(*os.File) bool) bool {
	f, err := dir.OpenFile(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	if err != nil {
		return true
	}
	defer func() { _ = f.Close() }()
	return ask(f)
}

// locked reports whether a process holds a lock on a file: InnoDB does as long as it runs, whichever namespace that is in.
func locked(f *os.File) bool {
	is, err := isLocked(f)
	return is || err != nil
}

func isLocked(f *os.File) (bool, error) {
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &l)
	return l.Type != unix.F_UNLCK, err
}

// The beginning of pg_control, since PostgreSQL 9.0: the system identifier (8 bytes), the version of the file (4), that of the
// catalogue (4), and the state (4), as this machine writes numbers. See src/include/catalog/pg_control.h there.
const (
	controlVersionAt = 8
	controlStateAt   = 16
	controlHead      = 20

	firstVersion, lastVersion  = 903, 99999 // other numbers are of another byte order, or too old
	shutDown, shutDownInBackup = 1, 2       // DB_SHUTDOWNED, DB_SHUTDOWNED_IN_RECOVERY
)

// notShutDown reports whether pg_control says anything else than that its server was shut down.
func notShutDown(f *os.File) bool {
	var head [controlHead]byte
	if _, err := f.ReadAt(head[:], 0); err != nil {
		return true
	}
	format, state := binary.NativeEndian.Uint32(head[controlVersionAt:]), binary.NativeEndian.Uint32(head[controlStateAt:])
	return format < firstVersion || format > lastVersion || (state != shutDown && state != shutDownInBackup)
}
