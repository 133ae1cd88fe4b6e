// Package obstacle finds out what keeps names of a directory from being changed: marks that make a file immutable, mount points, and
// directories in which this program may not write.
//
// Start reading at Of.
package obstacle

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/disk"
	"baton/internal/datasync/source/directory/plan"
	"baton/internal/pinned"
)

// Error says which name of a directory cannot be changed here, and why.
type Error struct {
	Path   string // whole path on this machine
	Why    string // as "is marked immutable (chattr +i)"
	Remedy string // as "take the mark off with: chattr -i PATH"
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s %s: %s", e.Path, e.Why, e.Remedy) }

// Of looks at every name of a directory that the work changes, and returns an Error for the first that cannot be changed. Whole is the whole path of a name, for that.
func Of(root *pinned.Dir, whole func(path string) string, work plan.Work) error {
	if work.IsEmpty() {
		return nil
	}
	top, err := root.Open(".")
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	defer func() { _ = top.Close() }()
	o := &obstacles{root: root, whole: whole}
	if o.mount, err = disk.Mount(int(top.Fd())); err != nil {
		return fmt.Errorf("look at %s: %w", whole("."), err)
	}
	defer o.leave()
	if err := o.directory("."); err != nil {
		return err
	}
	for _, list := range [][]manifest.Entry{work.Remove, work.Mkdir, work.Put, work.Link, work.Touch} {
		for _, e := range list {
			if err := errors.Join(o.name(work.Here(e.Path)), o.target(work, e)); err != nil {
				return err
			}
		}
	}
	for _, m := range work.Move {
		if err := o.move(m); err != nil {
			return err
		}
	}
	return o.directories(work)
}

func (o *obstacles) directories(work plan.Work) error {
	for _, e := range work.Dirs {
		if err := o.directory(work.Here(e.Path)); err != nil {
			return err
		}
	}
	return nil
}

// obstacles looks at names of one directory; those in one directory come one after another.
type obstacles struct {
	root  *pinned.Dir
	whole func(path string) string
	mount uint64
	at    string   // the directory that was looked at last
	dir   *os.File // it, open; nil: it is not there yet
}

func (o *obstacles) leave() {
	o.at = ""
	if o.dir != nil {
		_ = o.dir.Close()
		o.dir = nil
	}
}

// in opens the directory of a path; nil: it is not there yet.
func (o *obstacles) in(parent string) (*os.File, error) {
	if o.at == parent {
		return o.dir, nil
	}
	o.leave()
	dir, err := o.root.OpenFile(parent, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		dir = nil
	case err != nil:
		return nil, fmt.Errorf("open directory: %w", err)
	}
	o.at, o.dir = parent, dir
	return dir, nil
}

func (o *obstacles) move(m plan.Move) error {
	if m.From == "" {
		return o.name(m.To)
	}
	return errors.Join(o.name(m.To), o.name(m.From), o.directory(manifest.Parent(m.From)))
}

// target is what a further name is made of.
func (o *obstacles) target(work plan.Work, e manifest.Entry) error {
	if e.Kind != manifest.Link {
		return nil
	}
	return o.name(work.Here(e.Target))
}

// name looks at a name as it is now. One that is not there is no obstacle.
func (o *obstacles) name(path string) error {
	if path == "." {
		return nil
	}
	dir, err := o.in(manifest.Parent(path))
	if err != nil || dir == nil {
		return err
	}
	return o.check(int(dir.Fd()), manifest.Base(path), path)
}

func (o *obstacles) check(dir int, name, path string) error {
	var s unix.Statx_t
	err := unix.Statx(dir, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS|unix.STATX_MNT_ID, &s)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "look at", Path: o.whole(path), Err: err}
	}
	switch whole := o.whole(path); {
	case s.Attributes&unix.STATX_ATTR_IMMUTABLE != 0:
		return &Error{whole, "is marked immutable (chattr +i)", "take the mark off with: chattr -i " + whole}
	case s.Attributes&unix.STATX_ATTR_APPEND != 0:
		return &Error{whole, "is marked append-only (chattr +a)", "take the mark off with: chattr -a " + whole}
	case s.Mask&unix.STATX_MNT_ID != 0 && s.Mnt_id != o.mount:
		return &Error{whole, "is a mount point, or lies below one, inside a protected directory", "unmount it, or protect what is mounted there as a directory of its own"}
	}
	return nil
}

// directory looks at a directory in which names change. One that is not there yet
// is no obstacle.
func (o *obstacles) directory(path string) error {
	dir, err := o.in(path)
	if err != nil || dir == nil {
		return err
	}
	var s unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &s); err != nil || s.Mode&unix.S_IFMT != unix.S_IFDIR {
		return err
	}
	if err := o.check(int(dir.Fd()), ".", path); err != nil {
		return err
	}
	err = unix.Faccessat(int(dir.Fd()), ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	switch {
	case errors.Is(err, unix.EROFS):
		return &fs.PathError{Op: "write to", Path: o.whole(path), Err: err}
	case errors.Is(err, unix.EACCES) && int(s.Uid) != os.Geteuid():
		return &Error{o.whole(path), "cannot be written by the user that Baton runs as", "run it as root, or give it CAP_DAC_OVERRIDE, CAP_CHOWN and CAP_FOWNER"}
	}
	return nil
}
