// Package hint tells which names in a directory tree may have changed, by inotify. It is a hint and
// no more: what is written through a mapping is not seen, and so its user looks at the whole tree now and
// then.
//
// Start reading at Watch.
package hint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/pinned"
)

// Names are names in directories, by the path of the directory. True: it may be of something else now.
type Names map[string]map[string]bool

// add adds a name in a directory; the empty name is the directory itself.
func (n Names) add(dir, name string, mask uint32) {
	if n[dir] == nil {
		n[dir] = map[string]bool{}
	}
	const other = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO
	n[dir][name] = n[dir][name] || mask&other != 0
}

// ErrLost means that changes were missed, or that a directory cannot be watched: the whole tree has to be
// looked at.
var ErrLost = errors.New("changes were missed")

// Watch watches the directories of one tree. Its methods may be called at once.
type Watch struct {
	file *os.File
	fd   int // the file's: asking that for it would have reads wait
	conn syscall.RawConn

	mu      sync.Mutex
	paths   map[int32]string // by the kernel's number of the watch
	names   Names
	count   int
	lost    error
	changed chan struct{} // closed once there is something to take
	closed  bool
}

const (
	mostNames = 100_000               // that are remembered; more are looked for in the whole tree
	gather    = 20 * time.Millisecond // between two reads: a busy tree costs no more
)

// New begins to watch nothing.
func New() (*Watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch for changes: %w", err)
	}
	w := &Watch{file: os.NewFile(uintptr(fd), "inotify"), fd: fd, paths: map[int32]string{}, names: Names{}, changed: make(chan struct{})}
	if w.conn, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return nil, fmt.Errorf("watch for changes: %w", err)
	}
	go w.run()
	return w, nil
}

// Close ends the watch. What waits for a change is told that there is one.
func (w *Watch) Close() error {
	w.mu.Lock()
	w.closed = true
	w.lose(ErrLost)
	w.mu.Unlock()
	return w.file.Close() // it waits for the read under way, which waits for mu
}

// Dir watches one more directory, which is open and has a path in the tree. One that is watched
// already has another path now.
func (w *Watch) Dir(fd int, path string) {
	const mask = unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	wd, err := unix.InotifyAddWatch(w.fd, pinned.PathOf(fd), mask)
	if err != nil {
		w.lose(fmt.Errorf("%w: %q cannot be watched: %w", ErrLost, path, err))
		return
	}
	w.paths[int32(wd)] = path //nolint:gosec // a descriptor
}

// Lost returns why the watch is of no use any more; nil: it is.
func (w *Watch) Lost() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// Changed is closed once something may have changed since the latest Take.
func (w *Watch) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// Take returns what may have changed up to now, and forgets it. ErrLost: it cannot be told.
func (w *Watch) Take() (Names, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drain()
	if w.lost != nil {
		return nil, w.lost
	}
	names := w.names
	w.names, w.count = Names{}, 0
	select {
	case <-w.changed:
		w.changed = make(chan struct{})
	default:
	}
	return names, nil
}

// run reads what changes, so that the kernel's queue does not overflow, and tells who waits.
func (w *Watch) run() {
	for {
		err := w.conn.Read(func(uintptr) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.closed || w.drain()
		})
		w.mu.Lock()
		over := w.closed || err != nil
		w.mu.Unlock()
		if over {
			return
		}
		time.Sleep(gather)
	}
}

// drain reads all that there is. It is called with mu held, and reports whether there was anything.
func (w *Watch) drain() (some bool) {
	var buffer [64 << 10]byte
	for !w.closed {
		n, err := unix.Read(w.fd, buffer[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return some
		}
		some = true
		w.events(buffer[:n])
	}
	return true
}

func (w *Watch) events(b []byte) {
	for len(b) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(b)) //nolint:gosec // as the kernel wrote it
		mask, n := binary.NativeEndian.Uint32(b[4:]), int(binary.NativeEndian.Uint32(b[12:]))
		name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+n]), "\x00")
		b = b[unix.SizeofInotifyEvent+n:]
		w.event(wd, mask, name)
	}
}

func (w *Watch) event(wd int32, mask uint32, name string) {
	dir, known := w.paths[wd]
	switch {
	case mask&unix.IN_Q_OVERFLOW != 0:
		w.lose(ErrLost)
		return
	case mask&(unix.IN_IGNORED|unix.IN_UNMOUNT) != 0:
		delete(w.paths, wd)
		if mask&unix.IN_UNMOUNT != 0 {
			w.lose(ErrLost)
		}
		return
	case !known:
		return
	}
	if w.count++; w.count > mostNames {
		w.lose(ErrLost)
		return
	}
	w.names.add(dir, name, mask)
	w.tell()
}

func (w *Watch) lose(why error) {
	if w.lost == nil {
		w.lost = why
	}
	w.names = Names{}
	w.tell()
}

func (w *Watch) tell() {
	select {
	case <-w.changed:
	default:
		close(w.changed)
	}
}
