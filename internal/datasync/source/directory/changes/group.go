package changes

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// group is a fanotify group: the kernel's queue of what happens on the file systems that it marks. It is bounded:
// what does not fit is lost, and the group tells so.
type group struct {
	file *os.File
	fd   int // the file's: asking that for it would have reads wait
	conn syscall.RawConn
}

const watched = unix.FAN_MODIFY | unix.FAN_ATTRIB | unix.FAN_CREATE | unix.FAN_DELETE | unix.FAN_MOVED_FROM | unix.FAN_MOVED_TO |
	unix.FAN_DELETE_SELF | unix.FAN_MOVE_SELF | unix.FAN_ONDIR

func newGroup() (*group, error) {
	fd, err := unix.FanotifyInit(unix.FAN_CLASS_NOTIF|unix.FAN_CLOEXEC|unix.FAN_NONBLOCK|unix.FAN_REPORT_DFID_NAME, unix.O_RDONLY|unix.O_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("follow file systems (fanotify, Linux 5.9): %w", err)
	}
	g := &group{file: os.NewFile(uintptr(fd), "fanotify"), fd: fd}
	if g.conn, err = g.file.SyscallConn(); err != nil {
		_ = g.file.Close()
		return nil, fmt.Errorf("follow file systems: %w", err)
	}
	return g, nil
}

// mark begins to follow the file system of an open directory.
func (g *group) mark(dir int) error {
	if err := unix.FanotifyMark(g.fd, unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, watched, dir, "."); err != nil {
		return fmt.Errorf("mark the file system: %w", err)
	}
	return nil
}

// unmark ends that.
func (g *group) unmark(dir int) {
	_ = unix.FanotifyMark(g.fd, unix.FAN_MARK_REMOVE|unix.FAN_MARK_FILESYSTEM, watched, dir, ".") // it ends with the group at the latest
}

// marks returns how many file systems are followed. One that was unmounted is followed no more, and nobody says so.
func (g *group) marks() (int, error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", g.fd))
	if err != nil {
		return 0, fmt.Errorf("ask which file systems are followed: %w", err)
	}
	return bytes.Count(info, []byte("\nfanotify sdev:")), nil
}

// event is what happened to a name in a directory.
type event struct {
	mask uint64
	fs   fileSystem
	dir  handle
	name string
}

// fileSystem is its number, as statfs(2) tells it.
type fileSystem [2]int32

// handle is a directory, whatever its path.
type handle struct {
	kind  int32
	bytes string
}

const (
	metadataSize = 24 // of an event, before what it tells of the directory
	infoSize     = 20 // of that, before the handle's bytes
)

// queued returns how many events there are to read.
func (g *group) queued() (int, error) {
	n, err := unix.IoctlGetInt(g.fd, unix.TIOCINQ) // FIONREAD: of each event it counts the metadata alone
	if err != nil {
		return 0, fmt.Errorf("ask how much has changed: %w", err)
	}
	return n / metadataSize, nil
}

// read passes on events, up to about what fits the buffer, and returns how many; 0: there are none.
func (g *group) read(buffer []byte, tell func(event)) (count int, err error) {
	n, err := unix.Read(g.fd, buffer)
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Read(g.fd, buffer)
	}
	switch {
	case errors.Is(err, unix.EAGAIN):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("read what has changed: %w", err)
	}
	for b := buffer[:n]; len(b) >= metadataSize; count++ {
		length := int(binary.NativeEndian.Uint32(b))
		if length < metadataSize || length > len(b) {
			return count, fmt.Errorf("read what has changed: an event of %d bytes", length)
		}
		tell(readEvent(b[:length]))
		b = b[length:]
	}
	return count, nil
}

func readEvent(b []byte) (e event) {
	e.mask = binary.NativeEndian.Uint64(b[8:])
	info := b[metadataSize:]
	if len(info) < infoSize || info[0] != unix.FAN_EVENT_INFO_TYPE_DFID_NAME {
		return e
	}
	size := int(binary.NativeEndian.Uint32(info[12:]))
	if size > len(info)-infoSize {
		return e
	}
	e.fs = fileSystem{int32(binary.NativeEndian.Uint32(info[4:])), int32(binary.NativeEndian.Uint32(info[8:]))} //nolint:gosec // as the kernel wrote it
	e.dir = handle{int32(binary.NativeEndian.Uint32(info[16:])), string(info[infoSize : infoSize+size])}        //nolint:gosec // the same
	name, _, _ := bytes.Cut(info[infoSize+size:], []byte{0})
	e.name = string(name)
	return e
}

// moves reports whether paths of directories may have changed.
func (e event) moves() bool {
	return e.mask&unix.FAN_ONDIR != 0 && e.mask&(unix.FAN_MOVED_FROM|unix.FAN_MOVED_TO|unix.FAN_MOVE_SELF) != 0
}

// other reports whether the name may be of something else now.
func (e event) other() bool {
	return e.mask&(unix.FAN_CREATE|unix.FAN_DELETE|unix.FAN_MOVED_FROM|unix.FAN_MOVED_TO) != 0
}
