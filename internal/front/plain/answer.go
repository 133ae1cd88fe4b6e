package plain

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

// smallBody is how long a body may be to get a length where its handler has given none.
const smallBody = 2 << 10

// sampleSize is how much of a body its type is found out from.
const sampleSize = 512

// answer writes one answer, in the way that net/http does.
type answer struct {
	conn   *conn
	out    *bufio.Writer
	header http.Header
	isHead bool // it has no body, as the request is for the head alone

	status   int            // 0: the head is not written
	length   int64          // of the body, as its handler gave it; -1: it gave none
	guess    bool           // the type of the body is to be found out from its first bytes
	closes   bool           // the connection
	first    []byte         // of the body, while its length may still be found out
	begun    bool           // the head is written to its end
	chunks   io.WriteCloser // the body is sent in chunks; nil: as it is
	written  int64          // of the body
	deadline bool           // one for writing was set
}

var _ io.ReaderFrom = (*answer)(nil)

func newAnswer(c *conn, r *http.Request) *answer {
	out, ok := c.writers.Get().(*bufio.Writer)
	if !ok {
		out = bufio.NewWriter(nil)
	}
	out.Reset(c.Conn)
	return &answer{conn: c, out: out, header: http.Header{}, isHead: r.Method == http.MethodHead, length: -1}
}

func (a *answer) release() {
	a.out.Reset(nil)
	a.conn.writers.Put(a.out)
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter. Answers of the kind 1xx are not sent.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 || status < http.StatusOK {
		return
	}
	a.status = status
	if length, err := strconv.ParseInt(a.header.Get("Content-Length"), 10, 64); err == nil && length >= 0 && a.mayHaveBody() {
		a.length = length
	}
	_, typed := a.header["Content-Type"]
	a.guess = !typed && a.header.Get("Content-Encoding") == ""
	a.closes = !a.conn.more() || strings.EqualFold(a.header.Get("Connection"), "close")
	a.line("HTTP/1.1 ", strconv.Itoa(status), " ", http.StatusText(status))
	left := map[string]bool{"Content-Length": true, "Transfer-Encoding": true, "Connection": true}
	for name := range a.header {
		left[name] = left[name] || strings.HasPrefix(name, http.TrailerPrefix) || name == "Content-Type" && status == http.StatusNotModified
	}
	_ = a.header.WriteSubset(a.out, left) // what cannot be written shows when it is flushed, here and below
	if _, dated := a.header["Date"]; !dated {
		a.line("Date: ", time.Now().UTC().Format(http.TimeFormat))
	}
	if a.closes {
		a.line("Connection: close")
	}
}

// mayHaveBody reports whether an answer with this status may (RFC 9110, section 6.4.1).
func (a *answer) mayHaveBody() bool {
	return a.status != http.StatusNoContent && a.status != http.StatusNotModified
}

func (a *answer) line(parts ...string) {
	for _, part := range parts {
		_, _ = a.out.WriteString(part)
	}
	_, _ = a.out.WriteString("\r\n")
}

// begin ends the head, and writes what was kept of the body. The next piece of it follows.
func (a *answer) begin(next []byte) {
	if a.begun {
		return
	}
	a.begun = true
	if sample := slices.Concat(a.first, next[:min(len(next), sampleSize)]); a.guess && a.mayHaveBody() && len(sample) > 0 {
		a.line("Content-Type: ", http.DetectContentType(sample))
	}
	switch {
	case a.length >= 0:
		a.line("Content-Length: ", strconv.FormatInt(a.length, 10))
	case a.mayHaveBody() && !a.isHead:
		a.line("Transfer-Encoding: chunked")
		a.chunks = httputil.NewChunkedWriter(a.out)
	}
	a.line()
	if len(a.first) > 0 {
		_, _ = a.send(a.first)
	}
}

// send passes on some of the body.
func (a *answer) send(p []byte) (int, error) {
	switch {
	case a.isHead:
		return len(p), nil
	case a.chunks != nil:
		return a.chunks.Write(p)
	}
	return a.out.Write(p)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if !a.mayHaveBody() {
		return 0, http.ErrBodyNotAllowed
	}
	if a.length >= 0 && a.written+int64(len(p)) > a.length {
		return 0, http.ErrContentLength
	}
	a.written += int64(len(p))
	switch {
	case len(p) == 0:
		return 0, nil // an empty chunk would be the last
	case !a.begun && len(a.first)+len(p) <= smallBody:
		a.first = append(a.first, p...)
		return len(p), nil
	}
	a.begin(p)
	return a.send(p)
}

// ReadFrom implements io.ReaderFrom: the kernel sends a file.
func (a *answer) ReadFrom(from io.Reader) (int64, error) {
	a.WriteHeader(http.StatusOK)
	to, sends := a.conn.Conn.(io.ReaderFrom)
	if !sends || a.guess || a.isHead || a.length <= smallBody {
		return io.Copy(struct{ io.Writer }{a}, from)
	}
	if err := a.FlushError(); err != nil {
		return 0, err
	}
	if some, limited := from.(*io.LimitedReader); !limited || some.N > a.length-a.written {
		from = io.LimitReader(from, a.length-a.written)
	}
	n, err := to.ReadFrom(from)
	a.written += n
	return n, err
}

// FlushError is what http.ResponseController flushes with.
func (a *answer) FlushError() error {
	a.WriteHeader(http.StatusOK)
	a.begin(nil)
	return a.out.Flush()
}

// Flush implements http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// SetReadDeadline is for http.ResponseController. Nothing is read while an answer is written.
func (a *answer) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline is for http.ResponseController.
func (a *answer) SetWriteDeadline(at time.Time) error {
	a.deadline = true
	return a.conn.SetWriteDeadline(at)
}

// finish ends the answer. One that is shorter than its handler said is io.ErrUnexpectedEOF: the connection must end with it.
func (a *answer) finish() error {
	a.WriteHeader(http.StatusOK)
	_, trailers := a.header["Trailer"]
	if !a.begun && a.length < 0 && a.mayHaveBody() && !trailers && (!a.isHead || len(a.first) > 0) {
		a.length = int64(len(a.first))
	}
	a.begin(nil)
	if a.chunks != nil {
		_ = a.chunks.Close()
		a.trailers()
	}
	if err := a.out.Flush(); err != nil {
		return err
	}
	if !a.isHead && a.length >= 0 && a.written != a.length {
		return io.ErrUnexpectedEOF
	}
	if a.deadline {
		return a.conn.SetWriteDeadline(time.Time{})
	}
	return nil
}

// trailers writes what follows a body in chunks.
func (a *answer) trailers() {
	follow := http.Header{}
	for _, names := range a.header["Trailer"] {
		for name := range strings.SplitSeq(names, ",") {
			name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
			follow[name] = a.header[name]
		}
	}
	for name, values := range a.header {
		if name, is := strings.CutPrefix(name, http.TrailerPrefix); is {
			follow[name] = values
		}
	}
	_ = follow.Write(a.out)
	a.line()
}
