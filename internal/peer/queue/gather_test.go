package queue

import (
	"bytes"
	"net"
	"testing"
	"time"
)

// below is a connection below TLS that notes what it sends at once.
type below struct {
	net.Conn
	waits   bool
	waiting []byte
	sent    [][]byte
}

func (b *below) Gather() { b.waits = true }

func (b *below) Send() error {
	b.waits = false
	b.sent, b.waiting = append(b.sent, b.waiting), nil
	return nil
}

func (b *below) Write(p []byte) (int, error) {
	if b.waiting = append(b.waiting, p...); !b.waits {
		_ = b.Send()
	}
	return len(p), nil
}

// records is a connection that writes as TLS does: a record at a time.
type records struct{ *below }

func (r records) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var some int
		some, err = r.below.Write(p[n:min(len(p), n+record)])
		n += some
	}
	return n, err
}

func TestTheRecordsOfAWriteAreSentTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ bytes, bound, times int }{
		"large, fast line": {512 << 10, 8 << 20, 4},
		"large, slow line": {128 << 10, least, 8},
		"one record":       {100, 8 << 20, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := &below{}
			conn := New(records{to}, to, func() time.Duration { return time.Second })
			conn.bound.bytes = c.bound
			what := bytes.Repeat([]byte("a piece of content "), c.bytes/19+1)[:c.bytes]
			if n, err := conn.Write(what); n != len(what) || err != nil {
				t.Fatalf("wrote %d of %d bytes: %v", n, len(what), err)
			}
			if len(to.sent) != c.times || len(to.waiting) > 0 || !bytes.Equal(bytes.Join(to.sent, nil), what) {
				t.Errorf("sent at %d times, want %d, with %d bytes left", len(to.sent), c.times, len(to.waiting))
			}
		})
	}
}
