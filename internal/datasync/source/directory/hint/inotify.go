package hint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/pinned"
)

// Notifier is one inotify instance, of which a system has few. Its methods may be called at once.
type Notifier struct {
	file *os.File
	fd   int // the file's: asking that for it would have reads wait
	conn syscall.RawConn

	mu      sync.Mutex
	places  map[int32]place // by the kernel's number of the watch
	watches map[*Watch]bool
	closed  bool
}

// place is a directory that is watched.
type place struct {
	watch *Watch
	path  string
}

const gather = 20 * time.Millisecond // between two reads: a busy tree costs no more

// New makes a notifier that watches nothing.
func New() (*Notifier, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch for changes: %w", err)
	}
	n := &Notifier{file: os.NewFile(uintptr(fd), "inotify"), fd: fd, places: map[int32]place{}, watches: map[*Watch]bool{}}
	if n.conn, err = n.file.SyscallConn(); err != nil {
		_ = n.file.Close()
		return nil, fmt.Errorf("watch for changes: %w", err)
	}
	go n.run()
	return n, nil
}

// Close ends all watches.
func (n *Notifier) Close() error {
	n.mu.Lock()
	n.closed = true
	for w := range n.watches {
		w.lose(ErrLost)
	}
	n.mu.Unlock()
	return n.file.Close() // it waits for the read under way, which waits for mu
}

// Watch begins to watch a tree; no directory of it yet. What happens to paths that it ignores is not noticed.
func (n *Notifier) Watch(ignores func(path string) bool) *Watch {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := newWatch(n, &n.mu, ignores)
	n.watches[w] = true
	if n.closed {
		w.lose(ErrLost)
	}
	return w
}

// run reads what changes, so that the kernel's queue does not overflow, and tells who waits.
func (n *Notifier) run() {
	for {
		err := n.conn.Read(func(uintptr) bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.closed || n.drain()
		})
		n.mu.Lock()
		over := n.closed || err != nil
		n.mu.Unlock()
		if over {
			return
		}
		time.Sleep(gather)
	}
}

// drain reads all that there is. It is called with mu held, and reports whether there was anything.
func (n *Notifier) drain() (some bool) {
	var buffer [64 << 10]byte
	for !n.closed {
		read, err := unix.Read(n.fd, buffer[:])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || read <= 0 {
			return some
		}
		some = true
		n.events(buffer[:read])
	}
	return true
}

func (n *Notifier) events(b []byte) {
	for len(b) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(b)) //nolint:gosec // as the kernel wrote it
		mask, length := binary.NativeEndian.Uint32(b[4:]), int(binary.NativeEndian.Uint32(b[12:]))
		name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:unix.SizeofInotifyEvent+length]), "\x00")
		b = b[unix.SizeofInotifyEvent+length:]
		n.event(wd, mask, name)
	}
}

// others are what happens to a name that may be of something else then.
const others = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO

func (n *Notifier) event(wd int32, mask uint32, name string) {
	if mask&unix.IN_Q_OVERFLOW != 0 {
		for w := range n.watches {
			w.lose(ErrLost)
		}
		return
	}
	at, known := n.places[wd]
	switch {
	case !known:
	case mask&unix.IN_UNMOUNT != 0:
		at.watch.lose(ErrLost)
	case mask&unix.IN_IGNORED != 0:
		delete(n.places, wd)
		if at.path == "." { // the whole tree was removed: what is in its place is another, even if it has the same number
			at.watch.lose(ErrLost)
		}
	default:
		at.watch.note(at.path, name, mask&others != 0)
	}
}

// end forgets a watch. It is called with mu held.
func (n *Notifier) end(w *Watch) {
	delete(n.watches, w)
	maps.DeleteFunc(n.places, func(wd int32, at place) bool {
		if at.watch != w {
			return false
		}
		if !n.closed {
			_, _ = unix.InotifyRmWatch(n.fd, uint32(wd)) //nolint:gosec // the directory may be gone
		}
		return true
	})
}

// dir watches one more directory of a watch. It is called with mu held.
func (n *Notifier) dir(w *Watch, fd int, path string) {
	const mask = unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK
	if n.closed {
		return
	}
	wd, err := unix.InotifyAddWatch(n.fd, pinned.PathOf(fd), mask)
	if err != nil {
		w.lose(fmt.Errorf("%w: %q cannot be watched: %w", ErrLost, path, err))
		return
	}
	n.places[int32(wd)] = place{w, path} //nolint:gosec // a descriptor
}

// upToDate notes all that has happened.
func (n *Notifier) upToDate() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drain()
}
