// Package hint tells which names in directory trees may have changed, by inotify. It is a hint and
// no more: what is written through a mapping is not seen, and so its user looks at the whole tree now and
// then.
//
// Start reading at Notifier, then Watch.
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

// Again has a name looked at once more.
func (n Names) Again(dir, name string) { n.add(dir, name, 0) }

// Anew has a name looked at once more, with all that is in it.
func (n Names) Anew(dir, name string) { n.add(dir, name, unix.IN_CREATE) }

// Has reports whether a path is among them.
func (n Names) Has(path string) bool {
	at := strings.LastIndexByte(path, '/')
	if at < 0 {
		_, is := n["."][path]
		return is
	}
	_, is := n[path[:at]][path[at+1:]]
	return is
}

// ErrLost means that changes were missed, or that a directory cannot be watched: the whole tree has to be
// looked at.
var ErrLost = errors.New("changes were missed")

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

const (
	mostNames = 100_000               // that a watch remembers; more are looked for in the whole tree
	gather    = 20 * time.Millisecond // between two reads: a busy tree costs no more
)

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
	w := &Watch{of: n, ignores: ignores, names: Names{}, changed: make(chan struct{})}
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
		at.watch.note(at.path, name, mask)
	}
}

// Watch watches the directories of one tree. Its methods may be called at once.
type Watch struct {
	of      *Notifier
	ignores func(path string) bool

	// guarded by the notifier's mu
	names   Names
	count   int
	lost    error
	changed chan struct{} // closed once there is something to take
}

// Close ends the watch. What waits for a change is told that there is one.
func (w *Watch) Close() {
	n := w.of
	n.mu.Lock()
	defer n.mu.Unlock()
	w.lose(ErrLost)
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

// Dir watches one more directory, which is open and has a path in the tree. One that is watched
// already has another path now, or is another watch's no more.
func (w *Watch) Dir(fd int, path string) {
	const mask = unix.IN_MODIFY | unix.IN_ATTRIB | unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO |
		unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK
	n := w.of
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed || w.lost != nil {
		return
	}
	wd, err := unix.InotifyAddWatch(n.fd, pinned.PathOf(fd), mask)
	if err != nil {
		w.lose(fmt.Errorf("%w: %q cannot be watched: %w", ErrLost, path, err))
		return
	}
	n.places[int32(wd)] = place{w, path} //nolint:gosec // a descriptor
}

// Lost returns why the watch is of no use any more; nil: it is.
func (w *Watch) Lost() error {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	return w.lost
}

// Changed is closed once something may have changed since the latest Take.
func (w *Watch) Changed() <-chan struct{} {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	return w.changed
}

// Take returns what may have changed up to now, and forgets it. ErrLost: it cannot be told.
func (w *Watch) Take() (Names, error) {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	w.of.drain()
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

func (w *Watch) note(dir, name string, mask uint32) {
	if w.lost != nil || (name != "" && w.ignores(pathOf(dir, name))) {
		return
	}
	if w.count++; w.count > mostNames {
		w.lose(ErrLost)
		return
	}
	w.names.add(dir, name, mask)
	w.tell()
}

func pathOf(dir, name string) string {
	if dir == "." {
		return name
	}
	return dir + "/" + name
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
