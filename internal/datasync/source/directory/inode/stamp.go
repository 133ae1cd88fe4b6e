// Package inode has one file as the file system has it: the signs by which a change of it is noticed, and
// its content, read with its holes.
//
// Start reading at Stamp, then Reading.
package inode

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
)

// Stamp is what the file system says about one name: the signs by which a
// changed file is noticed.
type Stamp struct {
	Dev, Ino uint64
	Nlink    uint64
	Size     int64
	Alloc    int64 // bytes on disk
	ModTime  int64 // Unix nanoseconds
	CTime    int64 // Unix nanoseconds
	Mode     uint32
	UID, GID uint32
}

// StampOf returns the stamp that a call of the kernel gave.
func StampOf(s *unix.Stat_t) Stamp {
	return Stamp{
		Dev: s.Dev, Ino: s.Ino, Nlink: uint64(s.Nlink), Size: s.Size, Alloc: s.Blocks * 512, //nolint:unconvert // 32 bits on some machines
		ModTime: s.Mtim.Nano(), CTime: s.Ctim.Nano(), Mode: s.Mode, UID: s.Uid, GID: s.Gid,
	}
}

// Born returns when an open file was made, in Unix nanoseconds. It fails where the file system does not tell.
func Born(f *os.File) (int64, error) {
	var s unix.Statx_t
	err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &s)
	if err == nil && s.Mask&unix.STATX_BTIME == 0 {
		err = errors.ErrUnsupported
	}
	return s.Btime.Sec*int64(time.Second) + int64(s.Btime.Nsec), err
}

// Unchanged reports whether nothing was written or set between two looks.
func (s Stamp) Unchanged(other Stamp) bool {
	return s.Ino == other.Ino && s.Size == other.Size && s.ModTime == other.ModTime && s.CTime == other.CTime &&
		s.Mode == other.Mode && s.UID == other.UID && s.GID == other.GID
}

// Kind is the kind of the entry that it is; 0: none.
func (s Stamp) Kind() manifest.Kind {
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return manifest.Dir
	case unix.S_IFREG:
		return manifest.File
	case unix.S_IFLNK:
		return manifest.Symlink
	case unix.S_IFIFO:
		return manifest.Fifo
	}
	return 0
}

// Entry is what is known of an entry by its stamp alone.
func (s Stamp) Entry(path string) manifest.Entry {
	e := manifest.Entry{Path: path, Kind: s.Kind(), Mode: s.Mode & 0o7777, UID: s.UID, GID: s.GID, ModTime: s.ModTime}
	if e.Kind == manifest.File {
		e.Size, e.Alloc = s.Size, s.Alloc
	}
	return e
}

// Granularity of the file system's clock. A file changed again within one tick
// keeps its times, so a hash taken that early is not trusted later. The kernel
// ticks every 1 to 10 ms; file systems without sub-second times every 1 to 2 s.
const (
	FineTick   = 20 * time.Millisecond
	coarseTick = 2100 * time.Millisecond
)

// Racy reports whether a file whose status changed at ctime could still change
// unnoticed after a look at now.
func Racy(ctime int64, now time.Time) bool {
	tick := FineTick
	if ctime%int64(time.Second) == 0 {
		tick = coarseTick
	}
	return now.UnixNano()-ctime < int64(tick)
}

// Stat looks at an open file.
func Stat(f *os.File) (Stamp, error) {
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return Stamp{}, fmt.Errorf("look at %s: %w", f.Name(), err)
	}
	return StampOf(&s), nil
}

// StatAt looks at a name in a directory; of a symlink, at the symlink.
func StatAt(dir int, name string) (Stamp, error) {
	var s unix.Stat_t
	if err := unix.Fstatat(dir, name, &s, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Stamp{}, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	return StampOf(&s), nil
}

// Same reports whether a name looks as it did when it was noted.
func Same(was manifest.Child, is Stamp) bool {
	switch {
	case was.Kind == 0 || was.Note.Ino == 0 || was.Note.Ino != is.Ino || was.Note.CTime != is.CTime:
		return false
	case was.Kind == manifest.Link: // it has no more of its own
		return is.Kind() == manifest.File
	}
	return was.Kind == is.Kind() && was.Mode == is.Mode&0o7777 && was.UID == is.UID && was.GID == is.GID &&
		was.ModTime == is.ModTime && (was.Kind != manifest.File || was.Size == is.Size)
}

// NoteOf is what the next scan compares with.
func NoteOf(s Stamp, isRacy bool) manifest.Note {
	return manifest.Note{Ino: s.Ino, CTime: s.CTime, Alloc: s.Alloc, Racy: isRacy}
}

// ReadlinkAt returns the text of a symlink in a directory.
func ReadlinkAt(dir int, name string) (string, error) {
	b := make([]byte, manifest.MaxTarget+1)
	n, err := unix.Readlinkat(dir, name, b)
	if err != nil {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: err}
	}
	return string(b[:n]), nil
}
