package proxy

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"baton/internal/front"
)

// websocket is the client's side of a websocket. What the application sends passes unchanged; when a hold begins,
// a frame that closes the websocket follows where one of the application's frames has ended.
type websocket struct {
	net.Conn

	mu     sync.Mutex
	frame  frame
	ending bool // it is to be closed
	closed bool // nothing follows: it was closed, or the application has closed it

	asked context.Context //nolint:containedctx // of the request
	done  func() bool     // has its end no longer close the connection
	over  chan struct{}   // closed with it
	once  sync.Once
}

func newWebsocket(ctx context.Context, conn net.Conn) *websocket {
	w := &websocket{Conn: conn, asked: ctx, over: make(chan struct{})}
	w.done = context.AfterFunc(ctx, func() { _ = conn.Close() }) // it did not end in time
	return w
}

// closing says that the service restarts: status 1012 of the registry of RFC 6455.
func closing() []byte { return []byte{0x80 | opClose, 2, 1012 >> 8, 1012 & 0xff} }

// end closes it at the end of the frame that is being sent, or at once.
func (w *websocket) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ending = true
	if w.frame.between() {
		w.closeLocked()
	}
}

// closeLocked sends the frame and the end of all. Then it waits for the client's answer.
func (w *websocket) closeLocked() {
	if w.closed {
		return
	}
	w.closed = true
	_ = w.SetWriteDeadline(time.Now().Add(closeTime))
	_, err := w.Conn.Write(closing())
	if err != nil {
		_ = w.Conn.Close() // nobody takes it
		return
	}
	w.finish()
}

// closeTime is what a client has to take the frame that closes a websocket.
const closeTime = time.Second

// finish tells the client that nothing follows.
func (w *websocket) finish() {
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // it may be gone
	}
}

// Write implements net.Conn, for the frames of the application.
func (w *websocket) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return len(p), nil
	}
	send := p
	for rest := p; len(rest) > 0; {
		n := w.frame.read(rest)
		rest = rest[n:]
		if w.ending && w.frame.between() {
			send = p[:len(p)-len(rest)]
			break
		}
	}
	n, err := w.Conn.Write(send)
	if err != nil {
		return n, err
	}
	switch {
	case w.frame.closes && w.frame.between():
		w.closed = true
	case w.ending && w.frame.between():
		w.closeLocked()
	}
	return len(p), nil
}

// CloseWrite says that the application sends nothing more.
func (w *websocket) CloseWrite() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.finish()
	return nil
}

// ReadFrom implements io.ReaderFrom: from now on the application speaks. There may be thousands of
// websockets: each has a small buffer.
func (w *websocket) ReadFrom(application io.Reader) (int64, error) {
	ending := front.Endless(w.asked)
	go func() {
		select {
		case <-ending:
			w.end()
		case <-w.over:
		}
	}()
	return copySmall(w, application)
}

// copySmall is io.Copy through a small buffer.
func copySmall(to io.Writer, from io.Reader) (int64, error) {
	type writer struct{ io.Writer } // without ReadFrom
	type reader struct{ io.Reader } // without WriteTo
	return io.CopyBuffer(writer{to}, reader{from}, make([]byte, smallBuffer))
}

const smallBuffer = 4 << 10

// Close implements net.Conn.
func (w *websocket) Close() error {
	w.once.Do(func() { close(w.over) })
	w.done()
	return w.Conn.Close()
}

// frame is how far the frames of a websocket have been read (RFC 6455, section 5.2).
type frame struct {
	head   [14]byte
	have   int    // bytes of the head
	left   uint64 // bytes of the payload
	closes bool   // it is a frame that closes the websocket
}

const opClose = 8

// between reports whether a frame has ended and the next has not begun.
func (f *frame) between() bool { return f.have == 0 && f.left == 0 }

// read reads on, up to the end of a frame at most, and returns how many bytes these are.
func (f *frame) read(p []byte) (n int) {
	for f.left == 0 && n < len(p) {
		f.head[f.have] = p[n]
		f.have++
		n++
		if size := f.size(); f.have == size {
			f.closes = f.head[0]&0x0f == opClose
			f.left = f.payload()
			if f.have = 0; f.left == 0 {
				return n
			}
		}
	}
	take := min(uint64(len(p)-n), f.left) //nolint:gosec // not negative
	f.left -= take
	return n + int(take) //nolint:gosec // no more than len(p)
}

// size is how long the head is, as far as can be told.
func (f *frame) size() int {
	size := 2
	if f.have < size {
		return size
	}
	switch f.head[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.head[1]&0x80 != 0 {
		size += 4
	}
	return size
}

func (f *frame) payload() uint64 {
	switch short := f.head[1] & 0x7f; short {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		return binary.BigEndian.Uint64(f.head[2:])
	default:
		return uint64(short)
	}
}
