package systemd

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"os"
	"strconv"

	godbus "github.com/godbus/dbus/v5"
)

// ownSocket is where systemd answers root without a bus between.
const ownSocket = "/run/systemd/private"

// dial connects to systemd.
func dial(ctx context.Context) (*godbus.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "unix", ownSocket)
	if err != nil {
		return nil, err
	}
	conn, err := godbus.NewConn(newWire(raw), godbus.WithContext(ctx))
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	if err := conn.Auth([]godbus.Auth{godbus.AuthExternal(strconv.Itoa(os.Getuid()))}); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// wire is a connection to systemd without the signals that nobody here waits for. On its own socket
// systemd sends everything that happens to any unit, and the library decodes each word of it: a unit
// that ends and is started over and over, be it none of ours, cost half a processor.
type wire struct {
	net.Conn
	in    *bufio.Reader
	begun bool // authentication is over: what comes are messages
	left  int  // of the message that is being read
}

func newWire(conn net.Conn) *wire { return &wire{Conn: conn, in: bufio.NewReader(conn)} }

// begin is the last line of the authentication.
const begin = "BEGIN\r\n"

func (w *wire) Write(p []byte) (int, error) {
	if !w.begun && string(p) == begin {
		w.begun = true // before the library reads the first message
	}
	return w.Conn.Write(p)
}

func (w *wire) Read(p []byte) (n int, err error) {
	if !w.begun {
		return w.in.Read(p)
	}
	for w.left == 0 {
		if err := w.next(); err != nil {
			return 0, err
		}
	}
	n, err = w.in.Read(p[:min(len(p), w.left)])
	w.left -= n
	return n, err
}

// The layout of a message: its order of bytes, its type, the length of its body, and that of the array
// of its header's fields, which is filled up to eight bytes.
const (
	fixedHeader = 16
	atType      = 1
	atBody      = 4
	atFields    = 12
	typeSignal  = 4
)

// next looks at the next message: it is to be read, or left out at once.
func (w *wire) next() error {
	fixed, err := w.in.Peek(fixedHeader)
	if err != nil {
		return err
	}
	order := binary.ByteOrder(binary.LittleEndian)
	if fixed[0] == 'B' {
		order = binary.BigEndian
	}
	header := fixedHeader + int(order.Uint32(fixed[atFields:]))
	size := (header+7)&^7 + int(order.Uint32(fixed[atBody:]))
	if fixed[atType] == typeSignal && header <= w.in.Size() {
		fields, err := w.in.Peek(header)
		if err != nil {
			return err
		}
		if !bytes.Contains(fields, []byte("JobRemoved")) { // the end of a job is waited for
			_, err = w.in.Discard(size)
			return err
		}
	}
	w.left = size
	return nil
}
