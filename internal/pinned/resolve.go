package pinned

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// LinkError says that a link on the way to a directory is not followed, because
// others than root could lead it elsewhere.
type LinkError struct {
	Link string // absolute path of the link, without further links
	Why  string // as "/home/alice belongs to user 1000"
}

// Error implements error.
func (e *LinkError) Error() string {
	return fmt.Sprintf("%s is a symbolic link that others than root can change (%s): name the directory that it leads to, or let root alone own it and every directory above it", e.Link, e.Why)
}

// Open opens the directory at an absolute path. The check, if any, is asked about
// the path without links before anything of the directory is used.
func Open(path string, check func(real string) error) (*Dir, error) {
	return open(path, check, nil)
}

// Create is Open, but makes what is not there, once the check allows it.
func Create(path string, mode uint32, check func(real string) error) (*Dir, error) {
	return open(path, check, &mode)
}

// Resolve returns the path without links, of a directory that need not exist.
func Resolve(path string) (string, error) {
	if plain(path) {
		return filepath.Clean(path), nil
	}
	dir, rest, err := Nearest(path)
	if err != nil {
		return "", err
	}
	return filepath.Join(dir.Real(), rest), dir.Close()
}

// plain reports whether the kernel meets no link on an absolute path, as far as that leads. It is
// asked once for the whole path: most have no link, and are resolved again and again. Before Linux
// 5.6 it cannot be asked.
func plain(path string) bool {
	if !filepath.IsAbs(path) {
		return false
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS}
	fd, err := again(func() (int, error) { return unix.Openat2(unix.AT_FDCWD, path, &how) })
	if err == nil {
		_ = unix.Close(fd)
	}
	return err == nil || errors.Is(err, unix.ENOENT)
}

// Nearest opens the deepest directory on the way to an absolute path that exists,
// and returns what of the path is not there.
func Nearest(path string) (dir *Dir, rest string, err error) {
	w, err := newWay()
	if err != nil {
		return nil, "", err
	}
	err = w.follow(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
		w.close()
		return nil, "", err
	}
	return w.end(), filepath.Join(w.left...), nil
}

func open(path string, check func(real string) error, make *uint32) (*Dir, error) {
	w, err := newWay()
	if err != nil {
		return nil, err
	}
	defer w.close()
	err = w.follow(path)
	missing := errors.Is(err, fs.ErrNotExist) && make != nil
	if err != nil && !missing {
		return nil, err
	}
	if check != nil {
		if err := check(filepath.Join(w.real(), filepath.Join(w.left...))); err != nil {
			return nil, err
		}
	}
	for missing && len(w.left) > 0 {
		if err := w.make(*make); err != nil {
			return nil, err
		}
	}
	return w.end(), nil
}

// way is the open directories from the root down.
type way struct {
	dirs  []*os.File
	names []string // of the directories but the root
	left  []string // names still to go
	links int
	old   bool
}

func newWay() (*way, error) {
	root, err := os.Open("/")
	if err != nil {
		return nil, fmt.Errorf("open the root directory: %w", err)
	}
	w := &way{dirs: []*os.File{root}}
	fd, err := unix.Openat2(int(root.Fd()), ".", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH})
	if w.old = err != nil; !w.old {
		_ = unix.Close(fd)
	}
	return w, nil
}

func (w *way) close() {
	for _, dir := range w.dirs {
		_ = dir.Close()
	}
	w.dirs = nil
}

// end returns the last directory and closes the others.
func (w *way) end() *Dir {
	last := len(w.dirs) - 1
	dir := w.dirs[last]
	w.dirs = w.dirs[:last]
	w.close()
	return &Dir{file: dir, real: w.real(), old: w.old}
}

func (w *way) here() int { return int(w.dirs[len(w.dirs)-1].Fd()) }

func (w *way) real() string { return "/" + strings.Join(w.names, "/") }

// maxLinks is how many links the kernel follows.
const maxLinks = 40

// follow goes to a path as far as it leads; left is what is not there.
func (w *way) follow(path string) error {
	if !filepath.IsAbs(path) {
		return &fs.PathError{Op: "open", Path: path, Err: fs.ErrInvalid}
	}
	w.left = namesOf(path)
	for len(w.left) > 0 {
		name := w.left[0]
		if name == ".." {
			w.up()
			continue
		}
		err := w.down(name)
		if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			err = w.turn(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func namesOf(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(name string) bool { return name == "" || name == "." })
}

func (w *way) up() {
	w.left = w.left[1:]
	if last := len(w.names) - 1; last >= 0 {
		_ = w.dirs[last+1].Close()
		w.dirs, w.names = w.dirs[:last+1], w.names[:last]
	}
}

// down goes into a directory. One that may be passed but not read is opened as far
// as that needs.
func (w *way) down(name string) error {
	const flags = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := again(func() (int, error) { return unix.Openat(w.here(), name, unix.O_RDONLY|flags, 0) })
	if errors.Is(err, unix.EACCES) && len(w.left) > 1 {
		fd, err = again(func() (int, error) { return unix.Openat(w.here(), name, unix.O_PATH|flags, 0) })
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: filepath.Join(w.real(), name), Err: err}
	}
	w.names, w.left = append(w.names, name), w.left[1:]
	w.dirs = append(w.dirs, os.NewFile(uintptr(fd), w.real()))
	return nil
}

// turn follows a link, if nobody but root can have made it.
func (w *way) turn(name string) error {
	at := filepath.Join(w.real(), name)
	fd, err := again(func() (int, error) { return unix.Openat(w.here(), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0) })
	if err != nil {
		return &fs.PathError{Op: "open", Path: at, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return &fs.PathError{Op: "look at", Path: at, Err: err}
	}
	if s.Mode&unix.S_IFMT != unix.S_IFLNK {
		return &fs.PathError{Op: "open", Path: at, Err: unix.ENOTDIR}
	}
	if why := w.doubt(); why != "" {
		return &LinkError{Link: at, Why: why}
	}
	if !ours(s.Uid) {
		return &LinkError{Link: at, Why: fmt.Sprintf("it belongs to user %d", s.Uid)}
	}
	if w.links++; w.links > maxLinks {
		return &fs.PathError{Op: "open", Path: at, Err: unix.ELOOP}
	}
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", text)
	if err != nil {
		return &fs.PathError{Op: "read link", Path: at, Err: err}
	}
	target := string(text[:n])
	w.left = append(namesOf(target), w.left[1:]...)
	for filepath.IsAbs(target) && len(w.names) > 0 {
		last := len(w.names) - 1
		_ = w.dirs[last+1].Close()
		w.dirs, w.names = w.dirs[:last+1], w.names[:last]
	}
	return nil
}

// make makes the next directory.
func (w *way) make(mode uint32) error {
	if err := unix.Mkdirat(w.here(), w.left[0], mode); err != nil && !errors.Is(err, fs.ErrExist) {
		return &fs.PathError{Op: "make directory", Path: filepath.Join(w.real(), w.left[0]), Err: err}
	}
	return w.down(w.left[0])
}

// ours reports whether a user is root, or the one that this program runs as.
func ours(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// doubt says who else could put another name in the place of one in this directory,
// or of a directory above it; empty: nobody. In a directory with the sticky bit, as
// /tmp, others cannot rename or remove what is root's: it is no cause for doubt.
func (w *way) doubt() string {
	for i, dir := range w.dirs {
		at := "/" + strings.Join(w.names[:i], "/")
		var s unix.Stat_t
		if err := unix.Fstat(int(dir.Fd()), &s); err != nil {
			return at + " cannot be looked at"
		}
		sticky := s.Mode&unix.S_ISVTX != 0
		switch {
		case !ours(s.Uid):
			return fmt.Sprintf("%s belongs to user %d", at, s.Uid)
		case sticky:
		case s.Mode&0o002 != 0:
			return at + " can be written by everybody"
		case s.Mode&0o020 != 0 && s.Gid != 0:
			return fmt.Sprintf("%s can be written by group %d", at, s.Gid)
		case s.Mode&0o020 != 0 && hasACL(dir):
			return at + " can be written by others by its access control list"
		}
	}
	return ""
}

// hasACL reports whether the mode alone does not tell who may write.
func hasACL(dir *os.File) bool {
	_, err := unix.Getxattr(self(int(dir.Fd())), "system.posix_acl_access", nil)
	return err == nil
}

// self names an open file so that the kernel leads there and nowhere else.
func self(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// Path names the directory for calls that take a path alone.
func (d *Dir) Path() string { return self(d.Fd()) }

// ChmodFd sets the mode of what was opened, also with O_PATH.
func ChmodFd(fd int, mode uint32) error { return unix.Chmod(self(fd), mode) }

// PathOf names what was opened, also with O_PATH, for calls that take a path alone.
func PathOf(fd int) string { return self(fd) }
