package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/datasync/source/directory/xattr"
	"baton/internal/pinned"
)

// setMeta gives one name owner, attributes, mode and time, in the order in which
// the kernel does not undo one by the next.
func setMeta(dir int, name string, e manifest.Entry) error {
	var err error
	switch e.Kind {
	case manifest.File, manifest.Dir:
		err = setOpenMeta(dir, name, e)
	case manifest.Fifo:
		if err = chownAt(dir, name, e); err == nil {
			err = chmodAt(dir, name, manifest.Fifo, e.Mode)
		}
	case manifest.Symlink:
		err = chownAt(dir, name, e)
	case manifest.Link, manifest.Blob:
		return nil
	}
	if err == nil {
		err = setTime(dir, name, e.ModTime)
	}
	if err != nil {
		return fmt.Errorf("set owner, mode, time and attributes of %q: %w", e.Path, err)
	}
	return nil
}

// setOpenMeta opens the name for no more than that: the owner of a file can keep others
// from reading it, by a lease.
func setOpenMeta(dir int, name string, e manifest.Entry) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }() // from here on nobody can put another file in its place
	var now unix.Stat_t                   // what is right already is left alone: the name may be locked
	if err := unix.Fstat(fd, &now); err != nil {
		return err
	}
	if inode.StampOf(&now).Kind() != e.Kind {
		return errReplaced(name)
	}
	if now.Uid != e.UID || now.Gid != e.GID {
		if err := mayNot(unix.Fchownat(fd, "", int(e.UID), int(e.GID), unix.AT_EMPTY_PATH), e); err != nil {
			return err
		}
	}
	err = xattr.Write(pinned.PathOf(fd), e.XAttrs)
	if errors.Is(err, unix.EACCES) { // our own, but locked even for us
		if err = pinned.ChmodFd(fd, 0o700); err == nil {
			err = xattr.Write(pinned.PathOf(fd), e.XAttrs)
		}
	}
	if err != nil {
		return err
	}
	if err := unix.Fstat(fd, &now); err != nil || now.Mode&0o7777 == e.Mode {
		return err
	}
	return pinned.ChmodFd(fd, e.Mode)
}

// setFileMeta is setMeta of an open file that nobody else has.
func setFileMeta(f *os.File, e manifest.Entry) error {
	fd := int(f.Fd())
	now, err := inode.Stat(f)
	if err == nil && (now.UID != e.UID || now.GID != e.GID) {
		err = mayNot(unix.Fchown(fd, int(e.UID), int(e.GID)), e)
	}
	if err == nil {
		err = xattr.Set(fd, e.XAttrs)
	}
	if err == nil {
		err = unix.Fchmod(fd, e.Mode)
	}
	if err == nil {
		err = setFileTime(fd, e.ModTime)
	}
	if err != nil {
		return fmt.Errorf("set owner, mode, time and attributes of %q: %w", e.Path, err)
	}
	return nil
}

// setFileTime sets the time of an open file.
func setFileTime(fd int, modTime int64) error {
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(modTime)}
	err := unix.UtimesNanoAt(fd, "", times, unix.AT_EMPTY_PATH)
	if errors.Is(err, unix.EINVAL) { // a kernel before Linux 5.8
		err = unix.UtimesNanoAt(unix.AT_FDCWD, pinned.PathOf(fd), times, 0)
	}
	return err
}

// chmodAt sets the mode of one name of a kind, which it does not follow.
func chmodAt(dir int, name string, kind manifest.Kind, mode uint32) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var now unix.Stat_t
	if err := unix.Fstat(fd, &now); err != nil || (inode.StampOf(&now).Kind() == kind && now.Mode&0o7777 == mode) {
		return err
	}
	if inode.StampOf(&now).Kind() != kind {
		return errReplaced(name)
	}
	return pinned.ChmodFd(fd, mode)
}

func errReplaced(name string) error { return &replacedError{name} }

type replacedError struct{ name string }

func (e *replacedError) Error() string {
	return fmt.Sprintf("somebody put something else in the place of %q meanwhile", e.name)
}

// meddled reports whether a step failed since somebody removed or replaced what it is
// about, or put something where it leads, as the owner of a directory may.
func meddled(err error) bool {
	for _, sign := range []error{fs.ErrNotExist, unix.ENOTDIR, unix.EISDIR, unix.ENOTEMPTY, unix.EEXIST, unix.ELOOP} {
		if errors.Is(err, sign) {
			return true
		}
	}
	_, replaced := errors.AsType[*replacedError](err)
	return replaced
}

// chownAt sets the owner if it is another: setting it needs a privilege.
func chownAt(dir int, name string, e manifest.Entry) error {
	have, err := inode.StatAt(dir, name)
	if err != nil || (have.UID == e.UID && have.GID == e.GID) {
		return err
	}
	return mayNot(unix.Fchownat(dir, name, int(e.UID), int(e.GID), unix.AT_SYMLINK_NOFOLLOW), e)
}

func mayNot(err error, e manifest.Entry) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("give it to user %d, group %d: %w: run Baton as root, or give it CAP_CHOWN and CAP_FOWNER", e.UID, e.GID, err)
	}
	return err
}

func setTime(dir int, name string, modTime int64) error {
	if now, err := inode.StatAt(dir, name); err != nil || now.ModTime == modTime {
		return err
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(modTime)}
	return unix.UtimesNanoAt(dir, name, times, unix.AT_SYMLINK_NOFOLLOW)
}

// setMetaAt is setMeta by path.
func (t *Tree) setMetaAt(e manifest.Entry) error {
	if e.Path == "." && !t.part.IsWhole() { // it belongs to others
		return nil
	}
	if e.Path == "." {
		return t.withDir(".", func(fd int) error { return setMeta(fd, ".", e) })
	}
	parent := manifest.Parent(e.Path)
	return t.unlocked(parent, func() error {
		return t.withDir(parent, func(fd int) error { return setMeta(fd, manifest.Base(e.Path), e) })
	})
}

// unlocked runs a change inside a directory, which it opens up first if it
// refuses. The directory's metadata is set at the end of every apply.
func (t *Tree) unlocked(dir string, change func() error) error {
	err := change()
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if t.root.Chmod(dir, 0o700) != nil {
		return err
	}
	return change()
}

// quietly runs a change of the top directory that shall not show in its time.
func (t *Tree) quietly(change func() error) error {
	before, err := t.Stat(".")
	if err != nil {
		return fmt.Errorf("look at %s: %w", t.path, err)
	}
	if err := change(); err != nil {
		return err
	}
	return t.withDir(".", func(fd int) error { return setTime(fd, ".", before.ModTime) })
}
