package changes

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tree is one that is followed. Nothing of it is kept open.
type tree struct {
	id    uint32
	where string // its path, without links
	fs    fileSystem
	top   handle
	stat  Top
}

var (
	errOther   = errors.New("another directory has its path now")
	errNoPath  = errors.New("the path of a directory is too long to be asked for")
	errOutside = errors.New("the directory is not in the tree")
	errGone    = errors.New("the directory is gone, or was renamed a moment ago")
)

// newTree makes a tree, which has to be the one with those numbers, and returns its top, which is the caller's.
func newTree(id uint32, where string, stat Top) (t *tree, top int, err error) {
	t = &tree{id: id, where: where, stat: stat}
	how := unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	if top, err = unix.Openat2(unix.AT_FDCWD, where, &how); err != nil {
		return nil, -1, fmt.Errorf("open the top of the tree: %w", err)
	}
	if t.fs, t.top, err = identify(top); err == nil {
		var s unix.Stat_t
		if err = unix.Fstat(top, &s); err == nil && (Top{s.Dev, s.Ino}) != stat {
			err = errOther
		}
	}
	if err != nil {
		_ = unix.Close(top)
		return nil, -1, err
	}
	return t, top, nil
}

// open opens the top, if it is still where it was.
func (t *tree) open() (int, error) {
	now, top, err := newTree(t.id, t.where, t.stat)
	if err == nil && *now != *t {
		err = errors.Join(errOther, unix.Close(top))
	}
	return top, err
}

func identify(fd int) (fs fileSystem, h handle, err error) {
	var s unix.Statfs_t
	if err = unix.Fstatfs(fd, &s); err != nil {
		return fs, h, err
	}
	of, _, err := unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH)
	if err != nil {
		return fs, h, fmt.Errorf("ask for the number of a directory: %w", err)
	}
	return fileSystem(s.Fsid.Val), handle{of.Type(), string(of.Bytes())}, nil
}

// path returns the path of a directory in the tree, whose top is open. It is so at the moment. Other errors than
// errOutside and errGone mean that it may be in the tree.
func (t *tree) path(top int, of handle) (string, error) {
	dir, err := open(top, of)
	if errors.Is(err, unix.ESTALE) {
		return "", errOutside // it was removed
	}
	if err != nil {
		return "", fmt.Errorf("look up a directory by its number: %w", err)
	}
	defer func() { _ = unix.Close(dir) }()
	whole, err := pathOf(dir)
	if errors.Is(err, unix.ENAMETOOLONG) {
		return "", t.tooDeep(dir)
	}
	if err != nil {
		return "", err
	}
	if !within(t.where, whole) {
		return "", errOutside
	}
	path := strings.TrimPrefix(strings.TrimPrefix(whole, t.where), "/")
	if path == "" {
		path = "."
	}
	return path, leads(top, path, dir)
}

// open opens a directory by its number. While the kernel gives the number of one that was removed to another, it says
// that there is no memory.
func open(top int, of handle) (fd int, err error) {
	const tries, pause = 20, time.Millisecond
	for range tries {
		fd, err = unix.OpenByHandleAt(top, unix.NewFileHandle(of.kind, []byte(of.bytes)), unix.O_PATH|unix.O_CLOEXEC)
		if !errors.Is(err, unix.ENOMEM) {
			return fd, err
		}
		time.Sleep(pause)
	}
	return fd, err
}

// within reports whether a path is that of a directory, or below it.
func within(dir, path string) bool {
	below, is := strings.CutPrefix(path, strings.TrimSuffix(dir, "/"))
	return is && (below == "" || below[0] == '/')
}

func pathOf(fd int) (string, error) { return os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd)) }

// leads returns an error unless a path leads to an open directory: what the kernel calls its path may be one that is
// gone, or one where something else is mounted.
func leads(top int, path string, to int) error {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV}
	found, err := unix.Openat2(top, path, &how)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return errGone
	case err != nil:
		return fmt.Errorf("follow the path of a directory: %w", err)
	}
	defer func() { _ = unix.Close(found) }()
	var a, b unix.Stat_t
	if err := errors.Join(unix.Fstat(found, &a), unix.Fstat(to, &b)); err != nil {
		return err
	}
	if a.Dev != b.Dev || a.Ino != b.Ino {
		return errGone
	}
	return nil
}

const (
	deepest = 8192 // levels that a data sync takes: paths of up to 16 KiB
	climb   = 1024 // levels at once
)

// tooDeep tells of a directory whose path the kernel does not say, as it is too long: errNoPath if it is in the tree, as
// the nearest directory above it is whose path the kernel does say; else errOutside.
func (t *tree) tooDeep(dir int) error {
	at, err := unix.Dup(dir)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(at) }()
	for range deepest/climb + 1 {
		if err = t.above(at, climb); !errors.Is(err, unix.ENAMETOOLONG) {
			nearest := sort.Search(climb, func(levels int) bool { return !errors.Is(t.above(at, levels), unix.ENAMETOOLONG) })
			return t.above(at, nearest)
		}
		up, err := unix.Openat(at, upwards(climb), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		_ = unix.Close(at)
		at = up
	}
	return errOutside
}

// above returns errNoPath if the directory so many levels above an open one is in the tree, errOutside if it is not.
func (t *tree) above(dir, levels int) error {
	up, err := unix.Openat(dir, upwards(levels), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(up) }()
	path, err := pathOf(up)
	switch {
	case err != nil:
		return err
	case within(t.where, path):
		return errNoPath
	}
	return errOutside
}

func upwards(levels int) string { return "." + strings.Repeat("/..", levels) }
