package changes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/cause"
)

const (
	mostTrees = 256
	mostTold  = 16 << 20               // bytes that are told at once; trees with more are lost
	mostKnown = 16 << 20               // bytes of directories whose paths are remembered
	entrySize = 128                    // of that at least, for each
	gather    = 20 * time.Millisecond  // between two reads: a busy disk costs no more
	patience  = 5 * time.Second        // with a daemon that does not read
	resolving = 300 * time.Millisecond // of what is told at once: the daemon waits for a second; trees with more are lost
)

// Serve tells one daemon after another of changes, until the context ends. Allowed returns why a tree, by its path,
// may not be followed; empty: it may.
func Serve(ctx context.Context, listener *net.UnixListener, allowed func(path string) string, log *slog.Logger) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		conn, err := listener.AcceptUnix()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for the daemon: %w", err)
		}
		if err := serve(ctx, conn, allowed); err != nil && ctx.Err() == nil {
			log.Warn("the connection to the daemon was ended", slog.Any("error", cause.Plain(err)))
		}
	}
}

// serve tells one daemon, until it is gone.
func serve(ctx context.Context, unixConn *net.UnixConn, allowed func(path string) string) error {
	defer func() { _ = unixConn.Close() }()
	conn, err := NewConn(unixConn)
	if err != nil {
		return err
	}
	g, err := newGroup()
	if err != nil {
		return refuseAll(conn, err)
	}
	s := &session{conn: conn, group: g, allowed: allowed, trees: map[uint32]*tree{}, known: map[place][]found{}, buffer: make([]byte, mostBytes)}
	stop := context.AfterFunc(ctx, func() { _ = unixConn.Close() })
	defer stop()
	var reading sync.WaitGroup
	reading.Go(s.watch)
	err = s.listen()
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	_ = g.file.Close()
	reading.Wait()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// refuseAll refuses whatever a daemon asks to be followed, until it is gone.
func refuseAll(conn *Conn, why error) error {
	for {
		m, err := conn.Receive()
		if err != nil {
			return nil //nolint:nilerr // it is gone
		}
		if err := conn.Send(Message{Kind: Refused, ID: m.ID, Text: cause.Plain(why).Error()}); err != nil {
			return err
		}
	}
}

// session is one daemon that is told.
type session struct {
	conn    *Conn
	group   *group
	allowed func(path string) string

	mu     sync.Mutex
	trees  map[uint32]*tree
	known  map[place][]found // where directories are; some
	size   int               // of what is known, in bytes
	buffer []byte
	over   bool
}

// place is a directory by its number.
type place struct {
	fs  fileSystem
	dir handle
}

// found is where a directory lies in a tree.
type found struct {
	tree uint32
	path string
}

// listen does what the daemon asks for.
func (s *session) listen() error {
	for {
		m, err := s.conn.Receive()
		if err != nil {
			return err
		}
		s.mu.Lock()
		err = s.answer(m)
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

func (s *session) answer(m Message) error {
	switch m.Kind {
	case Follow:
		if err := s.upToDate(); err != nil { // once it is marked, a disk that was mounted again looks like one that never was
			return err
		}
		if err := s.follow(m); err != nil {
			return s.send(Message{Kind: Refused, ID: m.ID, Text: cause.Plain(err).Error()})
		}
		return s.send(Message{Kind: Follows, ID: m.ID})
	case Leave:
		return s.leave(m.ID)
	case Ask:
		if err := s.upToDate(); err != nil {
			return err
		}
		return s.send(Message{Kind: Told, ID: m.ID})
	case Follows, Refused, Changed, Lost, Told:
	}
	return errMalformed
}

// follow begins to follow a tree.
func (s *session) follow(m Message) error {
	if len(s.trees) >= mostTrees || s.trees[m.ID] != nil {
		return fmt.Errorf("%d are followed", len(s.trees))
	}
	if path.Clean(m.Text) != m.Text || !path.IsAbs(m.Text) {
		return fmt.Errorf("%q is no plain path", m.Text)
	}
	if why := s.allowed(m.Text); why != "" {
		return errors.New(why)
	}
	t, top, err := newTree(m.ID, m.Text, m.Top)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(top) }()
	for _, other := range s.trees {
		if other.fs == t.fs && other.stat.Dev != t.stat.Dev {
			return errors.New("its disk has the same number as another, as a copy has")
		}
	}
	if err := s.group.mark(top); err != nil {
		return err
	}
	s.trees[m.ID] = t
	s.forget()
	return nil
}

// forget forgets where directories are.
func (s *session) forget() {
	clear(s.known)
	s.size = 0
}

// know remembers where a directory is.
func (s *session) know(at place, list []found) {
	size := entrySize
	for _, f := range list {
		size += len(f.path)
	}
	if s.size += size; s.size > mostKnown {
		s.forget()
		s.size = size
	}
	s.known[at] = list
}

func (s *session) leave(id uint32) error {
	t := s.trees[id]
	if t == nil {
		return nil
	}
	delete(s.trees, id)
	s.forget()
	for _, other := range s.trees {
		if other.fs == t.fs {
			return nil
		}
	}
	top, err := t.open()
	if err != nil {
		return errUnmounted
	}
	s.group.unmark(top)
	return unix.Close(top)
}

var errUnmounted = errors.New("the disk of a tree was unmounted, or its directory was moved")

// upToDate tells of all that has happened. The error means that this cannot be told: then the daemon looks at the whole
// of all trees, and connects again.
func (s *session) upToDate() error {
	if _, err := s.drain(); err != nil {
		return err
	}
	systems := map[fileSystem]bool{}
	for _, t := range s.trees {
		systems[t.fs] = true
	}
	marks, err := s.group.marks()
	if err == nil && marks != len(systems) {
		err = errUnmounted
	}
	return err
}

func (s *session) send(m Message) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return s.conn.Send(m)
}

// watch tells of what happens, unasked.
func (s *session) watch() {
	for {
		var failed error
		err := s.group.conn.Read(func(uintptr) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.over {
				return true
			}
			var some bool
			some, failed = s.drain()
			return some || failed != nil
		})
		s.mu.Lock()
		over := s.over
		s.mu.Unlock()
		if over || err != nil || failed != nil {
			_ = s.conn.Close() // the daemon looks at the whole, and does without
			return
		}
		time.Sleep(gather)
	}
}

// drain tells of all that has happened up to now, and reports whether anything has. What happens meanwhile is left:
// there may be no end to it.
func (s *session) drain() (some bool, err error) {
	b := s.newBatch()
	defer b.close()
	queued, err := s.group.queued()
	for queued > 0 && err == nil {
		var n int
		if n, err = s.group.read(s.buffer, b.add); n == 0 {
			break
		}
		queued -= n
		some = true
	}
	return some, errors.Join(err, b.tell())
}

// batch is what is told at once.
type batch struct {
	*session

	names map[uint32]map[string]map[string]bool // by tree, directory and name: it may be of something else now
	told  int                                   // size of the names, in bytes
	lost  map[uint32]bool
	tops  map[uint32]int // of trees, open for the moment
	ends  time.Time      // of resolving
}

func (s *session) newBatch() *batch {
	return &batch{session: s, names: map[uint32]map[string]map[string]bool{}, lost: map[uint32]bool{}, tops: map[uint32]int{}, ends: time.Now().Add(resolving)}
}

func (b *batch) close() {
	for _, top := range b.tops {
		_ = unix.Close(top)
	}
}

// top opens the top of a tree, once for all of the batch.
func (b *batch) top(t *tree) (int, error) {
	if top, is := b.tops[t.id]; is {
		return top, nil
	}
	top, err := t.open()
	if err == nil {
		b.tops[t.id] = top
	}
	return top, err
}

// places returns where a directory lies. What is not in a tree costs no more than to remember that.
func (b *batch) places(at place) (list []found) {
	if list, is := b.known[at]; is {
		return list
	}
	whole := true
	for _, t := range b.trees {
		if t.fs != at.fs || b.lost[t.id] {
			continue
		}
		if time.Now().After(b.ends) {
			b.lost[t.id], whole = true, false
			continue
		}
		top, err := b.top(t)
		path := ""
		if err == nil {
			path, err = t.path(top, at.dir)
		}
		switch {
		case err == nil:
			list = append(list, found{t.id, path})
		case errors.Is(err, errOutside):
		case errors.Is(err, errGone):
			whole = false
		default:
			b.lost[t.id], whole = true, false
		}
	}
	if whole {
		b.know(at, list)
	}
	return list
}

func (b *batch) add(e event) {
	if e.mask&unix.FAN_Q_OVERFLOW != 0 {
		for id := range b.trees {
			b.lost[id] = true
		}
		return
	}
	if e.dir.bytes == "" {
		return
	}
	if e.moves() {
		b.forget()
	}
	at := place{e.fs, e.dir}
	if e.mask&unix.FAN_DELETE_SELF != 0 {
		delete(b.known, at)
		for _, t := range b.trees {
			b.lost[t.id] = b.lost[t.id] || (t.fs == at.fs && t.top == at.dir)
		}
	}
	name, other := e.name, e.other()
	if name == "." {
		name, other = "", false
	}
	for _, at := range b.places(at) {
		b.note(at, name, other)
	}
}

func (b *batch) note(at found, name string, other bool) {
	dirs := b.names[at.tree]
	if dirs == nil {
		dirs = map[string]map[string]bool{}
		b.names[at.tree] = dirs
	}
	names := dirs[at.path]
	if names == nil {
		names = map[string]bool{}
		dirs[at.path] = names
		b.told += len(at.path) + entrySize
	}
	if _, is := names[name]; !is {
		b.told += len(name) + entrySize
	}
	if names[name] = names[name] || other; b.told > mostTold {
		b.lost[at.tree] = true
		delete(b.names, at.tree)
	}
}

func (b *batch) tell() error {
	for id, is := range b.lost {
		if !is {
			continue
		}
		if err := b.send(Message{Kind: Lost, ID: id}); err != nil {
			return err
		}
	}
	for id, dirs := range b.names {
		if b.lost[id] {
			continue
		}
		for dir, names := range dirs {
			if err := b.tellOf(id, dir, names); err != nil {
				return err
			}
		}
	}
	return nil
}

// tellOf tells of the names in one directory, in as many messages as that takes.
func (b *batch) tellOf(id uint32, dir string, names map[string]bool) error {
	const head, perName = 64, 8 // bytes besides the texts, at most
	m := Message{Kind: Changed, ID: id, Dir: dir}
	size := head + len(dir)
	for name, other := range names {
		if size+perName+len(name) > mostBytes {
			if err := b.send(m); err != nil {
				return err
			}
			m.Names, size = nil, head+len(dir)
		}
		m.Names = append(m.Names, Name{name, other})
		size += perName + len(name)
	}
	return b.send(m)
}

// Listen makes the socket, which is root's alone. What is left of an earlier one is removed.
func Listen(path string) (*net.UnixListener, error) {
	_ = os.Remove(path)
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, fmt.Errorf("wait for the daemon: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}
