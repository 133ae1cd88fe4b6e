// Package pinned opens a directory by its path so that nobody but root can lead
// that path elsewhere, and then works below it by its descriptor alone.
//
// On the way to the directory a symbolic link is followed only if it is root's, and
// so is every directory above it, in which nobody else may put another in its place.
// From the directory down no link is followed at all (openat2 with RESOLVE_BENEATH,
// RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS; on a kernel before Linux 5.6 one
// name after another with O_NOFOLLOW). It knows nothing of what the directory holds.
//
// Start reading at Open; resolve.go finds the directory.
package pinned

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is an open directory. Paths given to its methods are relative, plain
// ("a/b", "."), and lead to what lies below it. What is a link there is never
// followed: a path that leads through one fails with ELOOP or ENOTDIR.
type Dir struct {
	file *os.File
	real string
	old  bool // this kernel has no openat2
}

// Close releases the directory.
func (d *Dir) Close() error { return d.file.Close() }

// Real returns the absolute path without links, as it was when the directory was opened.
func (d *Dir) Real() string { return d.real }

// Fd returns the descriptor, which stays the directory's own.
func (d *Dir) Fd() int { return int(d.file.Fd()) }

// Sub returns a directory below.
func (d *Dir) Sub(path string) (*Dir, error) {
	fd, err := d.open(path, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open directory", Path: path, Err: err}
	}
	real := d.real
	if path != "." {
		real = strings.TrimSuffix(real, "/") + "/" + path
	}
	return &Dir{file: os.NewFile(uintptr(fd), real), real: real, old: d.old}, nil
}

// maxOneCall is the longest path that one call of the kernel takes, in bytes.
const maxOneCall = unix.PathMax - 1

// open opens what lies below. It follows nothing.
func (d *Dir) open(path string, flags int, mode uint32) (int, error) {
	flags |= unix.O_CLOEXEC | unix.O_NOFOLLOW
	if d.old || len(path) > maxOneCall {
		return openByName(d.Fd(), path, flags, mode)
	}
	how := unix.OpenHow{
		Flags: uint64(flags), Mode: uint64(mode), //nolint:gosec // flags are never negative
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	return again(func() (int, error) { return unix.Openat2(d.Fd(), path, &how) })
}

// openByName goes one name after another.
func openByName(dir int, path string, flags int, mode uint32) (int, error) {
	at, name, deeper := dir, path, true
	for deeper {
		var rest string
		if name, rest, deeper = strings.Cut(path, "/"); !deeper {
			break
		}
		next, err := again(func() (int, error) {
			return unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		})
		if at != dir {
			_ = unix.Close(at)
		}
		if err != nil {
			return -1, err
		}
		at, path = next, rest
	}
	fd, err := again(func() (int, error) { return unix.Openat(at, name, flags, mode) })
	if at != dir {
		_ = unix.Close(at)
	}
	return fd, err
}

// again repeats a call that a signal interrupted. EAGAIN is an answer: a process that
// has a lease on a file (F_SETLEASE) can keep others from opening it for ever.
func again(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

// Open opens what lies below for reading.
func (d *Dir) Open(path string) (*os.File, error) { return d.OpenFile(path, unix.O_RDONLY, 0) }

// OpenFile opens what lies below with the flags of open(2).
func (d *Dir) OpenFile(path string, flags int, mode uint32) (*os.File, error) {
	fd, err := d.open(path, flags, mode)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// in calls f with the directory in which the last name of a path lies.
func (d *Dir) in(op, path string, f func(dir int, name string) error) error {
	dir, name := d.Fd(), path
	if slash := strings.LastIndexByte(path, '/'); slash >= 0 {
		parent, err := d.open(path[:slash], unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return &fs.PathError{Op: op, Path: path, Err: err}
		}
		defer func() { _ = unix.Close(parent) }()
		dir, name = parent, path[slash+1:]
	}
	if err := f(dir, name); err != nil {
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}

// Stat looks at a name; of a link, at the link.
func (d *Dir) Stat(path string) (s unix.Stat_t, err error) {
	err = d.in("look at", path, func(dir int, name string) error {
		return unix.Fstatat(dir, name, &s, unix.AT_SYMLINK_NOFOLLOW)
	})
	return s, err
}

// Looks looks at many names one after another: as long as they are in one directory, that stays open. It is for a pass
// during which nobody but the caller gives directories other names.
type Looks struct {
	dir    *Dir
	parent string // the directory that is open
	fd     int    // -1: none is
}

// Looks begins a pass, which Close ends.
func (d *Dir) Looks() *Looks { return &Looks{dir: d, fd: -1} }

// Stat is Dir.Stat.
func (l *Looks) Stat(path string) (s unix.Stat_t, err error) {
	parent, name := ".", path
	if slash := strings.LastIndexByte(path, '/'); slash >= 0 {
		parent, name = path[:slash], path[slash+1:]
	}
	if l.fd < 0 || l.parent != parent {
		l.Close()
		fd, err := l.dir.open(parent, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return s, &fs.PathError{Op: "look at", Path: path, Err: err}
		}
		l.fd, l.parent = fd, parent
	}
	if err := unix.Fstatat(l.fd, name, &s, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return s, &fs.PathError{Op: "look at", Path: path, Err: err}
	}
	return s, nil
}

// Close ends the pass.
func (l *Looks) Close() {
	if l.fd >= 0 {
		_ = unix.Close(l.fd)
		l.fd = -1
	}
}

// Mkdir makes a directory.
func (d *Dir) Mkdir(path string, mode uint32) error {
	return d.in("make directory", path, func(dir int, name string) error { return unix.Mkdirat(dir, name, mode) })
}

// MkdirAll makes a directory and those above it that are not there.
func (d *Dir) MkdirAll(path string, mode uint32) error {
	for i := range path {
		if path[i] != '/' {
			continue
		}
		if err := d.Mkdir(path[:i], mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := d.Mkdir(path, mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Chmod sets the mode of a directory.
func (d *Dir) Chmod(path string, mode uint32) error {
	s, err := d.Stat(path)
	if err != nil {
		return err
	}
	fd, err := d.open(path, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return &fs.PathError{Op: "set mode of", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	if s.Mode&0o7777 == mode {
		return nil
	}
	if err := ChmodFd(fd, mode); err != nil {
		return &fs.PathError{Op: "set mode of", Path: path, Err: err}
	}
	return nil
}

// Remove removes a name; a directory only if it is empty.
func (d *Dir) Remove(path string) error {
	return d.in("remove", path, func(dir int, name string) error {
		err := unix.Unlinkat(dir, name, 0)
		if errors.Is(err, unix.EISDIR) {
			err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
		}
		return err
	})
}

// RemoveAll removes a name with all that is in it. One that is gone is no error.
func (d *Dir) RemoveAll(path string) error {
	err := d.in("remove", path, removeAll)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func removeAll(dir int, name string) error {
	err := unix.Unlinkat(dir, name, 0)
	if !errors.Is(err, unix.EISDIR) {
		return err
	}
	fd, err := again(func() (int, error) {
		return unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return err
	}
	below := os.NewFile(uintptr(fd), name)
	defer func() { _ = below.Close() }()
	names, err := below.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, inner := range names {
		if err := removeAll(fd, inner); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
}

// Rename gives a name another place below; what had that name is replaced.
func (d *Dir) Rename(from, to string) error {
	return d.both("rename", from, to, unix.Renameat)
}

// Link makes a further name of a file.
func (d *Dir) Link(from, to string) error {
	return d.both("link", from, to, func(dir int, name string, toDir int, toName string) error {
		return unix.Linkat(dir, name, toDir, toName, 0)
	})
}

func (d *Dir) both(op, from, to string, f func(dir int, name string, toDir int, toName string) error) error {
	return d.in(op, from, func(dir int, name string) error {
		return d.in(op+" to", to, func(toDir int, toName string) error { return f(dir, name, toDir, toName) })
	})
}

// Walk calls visit with what every name below is, until it returns false. What cannot
// be read is left out.
func (d *Dir) Walk(visit func(unix.Stat_t) bool) error {
	_, err := walk(d.Fd(), ".", visit)
	return err
}

func walk(dir int, name string, visit func(unix.Stat_t) bool) (on bool, err error) {
	fd, err := again(func() (int, error) {
		return unix.Openat(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return true, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	below := os.NewFile(uintptr(fd), name)
	defer func() { _ = below.Close() }()
	names, err := below.Readdirnames(-1)
	for _, name := range names {
		var s unix.Stat_t
		if unix.Fstatat(fd, name, &s, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue
		}
		if !visit(s) {
			return false, nil
		}
		if s.Mode&unix.S_IFMT != unix.S_IFDIR {
			continue
		}
		if on, _ := walk(fd, name, visit); !on {
			return false, nil
		}
	}
	return true, err
}

// RenameNew is Rename to a name that nothing has; if something has it, it fails with EEXIST.
func (d *Dir) RenameNew(from, to string) error {
	return d.both("rename", from, to, func(dir int, name string, toDir int, toName string) error {
		return unix.Renameat2(dir, name, toDir, toName, unix.RENAME_NOREPLACE)
	})
}

// Exchange has two names change places at once.
func (d *Dir) Exchange(one, other string) error {
	return d.both("exchange", one, other, func(dir int, name string, otherDir int, otherName string) error {
		return unix.Renameat2(dir, name, otherDir, otherName, unix.RENAME_EXCHANGE)
	})
}
