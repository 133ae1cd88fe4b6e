package hint

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/source/directory/changes"
)

// Helper is the process that follows whole file systems. Once it is lost, so are its watches.
type Helper struct {
	conn *changes.Conn

	mu      sync.Mutex
	trees   map[uint32]*told
	newest  uint32                   // number of a tree or a question
	waiting map[uint32]chan struct{} // for answers to questions
	closed  bool
	hung    bool // it did not answer in time
}

// told is a tree that the helper tells of.
type told struct {
	*Watch

	id    uint32
	mount uint64     // in which all of it has to lie
	begun chan error // whether it is followed; nil: it is
}

const answerWithin = time.Second // else the helper counts as hung

// ErrNoHelper means that there is no helper now, or that it hangs.
var ErrNoHelper = errors.New("baton-changes.service does not answer")

// Dial connects to the helper at a path.
func Dial(path string) (*Helper, error) {
	unixConn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.EAGAIN) { // the last: too many wait for one that hangs
		return nil, ErrNoHelper
	}
	if err != nil {
		return nil, fmt.Errorf("connect to the helper: %w", err)
	}
	conn, err := changes.NewConn(unixConn)
	if err != nil {
		return nil, errors.Join(err, unixConn.Close())
	}
	h := &Helper{conn: conn, trees: map[uint32]*told{}, waiting: map[uint32]chan struct{}{}}
	go h.run()
	return h, nil
}

// Close ends the connection and all watches.
func (h *Helper) Close() error { return h.conn.Close() }

// Lost reports whether the helper is gone.
func (h *Helper) Lost() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.closed
}

// Hung reports whether it is gone as it did not answer in time.
func (h *Helper) Hung() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hung
}

// Watch begins to watch the tree whose top is open, at its path without links. What happens to paths that it ignores,
// and below them, is not noticed. The error says why it cannot.
func (h *Helper) Watch(top int, path string, ignores func(path string) bool) (*Watch, error) {
	var s unix.Stat_t
	if err := unix.Fstat(top, &s); err != nil {
		return nil, fmt.Errorf("look at the top of the tree: %w", err)
	}
	mount, err := mountOf(top)
	if err != nil {
		return nil, fmt.Errorf("ask where the tree is mounted: %w", err)
	}
	h.mu.Lock()
	h.newest++
	t := &told{Watch: newWatch(h, &h.mu, ignores), id: h.newest, mount: mount, begun: make(chan error, 1)}
	h.trees[t.id] = t
	if h.closed {
		t.begun <- ErrNoHelper
	} else {
		h.send(changes.Message{Kind: changes.Follow, ID: t.id, Text: path, Top: changes.Top{Dev: s.Dev, Ino: s.Ino}})
	}
	h.mu.Unlock()
	select {
	case err = <-t.begun:
	case <-time.After(answerWithin):
		err = ErrNoHelper
		h.hangs()
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t.Watch, nil
}

func mountOf(fd int) (uint64, error) {
	var s unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &s) // no server is asked
	return s.Mnt_id, err
}

// send sends a message; what fails ends the connection. It is called with mu held.
func (h *Helper) send(m changes.Message) {
	err := h.conn.SetWriteDeadline(time.Now().Add(answerWithin))
	if err == nil {
		err = h.conn.Send(m)
	}
	if err != nil {
		h.hung = h.hung || errors.Is(err, os.ErrDeadlineExceeded)
		_ = h.conn.Close()
	}
}

func (h *Helper) run() {
	for {
		m, err := h.conn.Receive()
		h.mu.Lock()
		if err == nil {
			err = h.take(m)
		}
		if err != nil {
			h.lose()
			h.mu.Unlock()
			return
		}
		h.mu.Unlock()
	}
}

// hangs gives it up, as it did not answer in time.
func (h *Helper) hangs() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hung = true
	h.lose()
}

// lose ends all that waits for the helper. It is called with mu held.
func (h *Helper) lose() {
	h.closed = true
	_ = h.conn.Close()
	for _, t := range h.trees {
		t.lose(ErrNoHelper)
		t.answer(ErrNoHelper)
	}
	for _, waits := range h.waiting {
		close(waits)
	}
	clear(h.waiting)
}

var errOdd = errors.New("the helper says what makes no sense")

// take takes a message. It is called with mu held.
func (h *Helper) take(m changes.Message) error {
	t := h.trees[m.ID]
	switch m.Kind {
	case changes.Told:
		if waits := h.waiting[m.ID]; waits != nil {
			close(waits)
			delete(h.waiting, m.ID)
		}
		return nil
	case changes.Follows, changes.Refused, changes.Changed, changes.Lost:
	case changes.Follow, changes.Leave, changes.Ask:
		return errOdd
	}
	if t == nil { // it is watched no more
		return nil
	}
	switch m.Kind {
	case changes.Follows:
		t.answer(nil)
	case changes.Refused:
		t.answer(errors.New(m.Text))
	case changes.Lost:
		t.lose(ErrLost)
	case changes.Changed:
		return t.changedIn(m)
	case changes.Follow, changes.Leave, changes.Ask, changes.Told:
	}
	return nil
}

func (t *told) answer(err error) {
	select {
	case t.begun <- err:
	default:
	}
}

// changedIn notes names in a directory. The helper is not taken at its word: a path is one that leads no higher.
func (t *told) changedIn(m changes.Message) error {
	if m.Dir != "." && !fs.ValidPath(strings.ToValidUTF8(m.Dir, "?")) {
		return errOdd
	}
	if m.Dir != "." && t.below(m.Dir) {
		return nil
	}
	for _, n := range m.Names {
		if strings.ContainsAny(n.Name, "/\x00") || n.Name == "." || n.Name == ".." {
			return errOdd
		}
		t.note(m.Dir, n.Name, n.Other)
	}
	return nil
}

// below reports whether a directory or one above it is ignored.
func (t *told) below(dir string) bool {
	for end := range len(dir) {
		if dir[end] == '/' && t.ignores(dir[:end]) {
			return true
		}
	}
	return t.ignores(dir)
}

// end implements follower.
func (h *Helper) end(w *Watch) {
	for id, t := range h.trees {
		if t.Watch == w {
			delete(h.trees, id)
			if !h.closed {
				h.send(changes.Message{Kind: changes.Leave, ID: id})
			}
		}
	}
}

// dir implements follower: the helper notices nothing that is mounted in the tree.
func (h *Helper) dir(w *Watch, fd int, path string) {
	for _, t := range h.trees {
		if t.Watch != w {
			continue
		}
		if mount, err := mountOf(fd); err != nil || mount != t.mount {
			w.lose(fmt.Errorf("something is mounted at %q", path))
		}
	}
}

// upToDate implements follower. A helper that does not answer is lost.
func (h *Helper) upToDate() {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return
	}
	h.newest++
	waits := make(chan struct{})
	h.waiting[h.newest] = waits
	h.send(changes.Message{Kind: changes.Ask, ID: h.newest})
	h.mu.Unlock()
	select {
	case <-waits:
	case <-time.After(answerWithin):
		h.hangs()
	}
}
