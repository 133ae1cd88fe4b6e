// Package hint tells which names in directory trees may have changed: by inotify, or by a process of its own that
// follows whole file systems (package changes). It is a hint and no more: what is written through a mapping is not
// seen, and so its user looks at the whole tree now and then.
//
// Start reading at Watch, then Notifier and Helper.
package hint

import (
	"errors"
	"strings"
	"sync"
)

// Names are names in directories, by the path of the directory. True: it may be of something else now.
type Names map[string]map[string]bool

// add adds a name in a directory; the empty name is the directory itself.
func (n Names) add(dir, name string, other bool) {
	if n[dir] == nil {
		n[dir] = map[string]bool{}
	}
	n[dir][name] = n[dir][name] || other
}

// Again has a name looked at once more.
func (n Names) Again(dir, name string) { n.add(dir, name, false) }

// Anew has a name looked at once more, with all that is in it.
func (n Names) Anew(dir, name string) { n.add(dir, name, true) }

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

// mostNames is how many a watch remembers; more are looked for in the whole tree.
const mostNames = 100_000

// follower notices what happens in trees, in its own way.
type follower interface {
	upToDate()                         // notes all that has happened
	dir(w *Watch, fd int, path string) // one more directory is to be watched; called with mu held
	end(w *Watch)                      // called with mu held
}

// Watch watches the directories of one tree. Its methods may be called at once.
type Watch struct {
	by      follower
	ignores func(path string) bool

	mu      *sync.Mutex // the follower's; it guards what follows
	names   Names
	count   int
	lost    error
	changed chan struct{} // closed once there is something to take
}

func newWatch(by follower, mu *sync.Mutex, ignores func(path string) bool) *Watch {
	return &Watch{by: by, mu: mu, ignores: ignores, names: Names{}, changed: make(chan struct{})}
}

// Close ends the watch. What waits for a change is told that there is one.
func (w *Watch) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose(ErrLost)
	w.by.end(w)
}

// Dir watches one more directory, which is open and has a path in the tree. One that is watched
// already has another path now, or is another watch's no more.
func (w *Watch) Dir(fd int, path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.lost == nil {
		w.by.dir(w, fd, path)
	}
}

// Lost returns why the watch is of no use any more; nil: it is.
func (w *Watch) Lost() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost
}

// Helped reports whether it is the helper that notices.
func (w *Watch) Helped() bool {
	_, is := w.by.(*Helper)
	return is
}

// Changed is closed once something may have changed since the latest Take: at once, if something has up to now.
func (w *Watch) Changed() <-chan struct{} {
	w.by.upToDate()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

// Take returns what may have changed up to now, and forgets it. The error says why that cannot be told.
func (w *Watch) Take() (Names, error) {
	w.by.upToDate()
	w.mu.Lock()
	defer w.mu.Unlock()
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

func (w *Watch) note(dir, name string, other bool) {
	if w.lost != nil || (name != "" && w.ignores(pathOf(dir, name))) {
		return
	}
	if w.count++; w.count > mostNames {
		w.lose(ErrLost)
		return
	}
	w.names.add(dir, name, other)
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
