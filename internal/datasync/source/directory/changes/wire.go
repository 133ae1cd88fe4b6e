// Package changes tells one daemon which names in some trees may have changed, as the kernel reports it of whole
// file systems (fanotify). It is what a process of its own runs, as that takes rights that the daemon does without.
//
// It follows only trees that may be protected on this machine, and tells nothing of what lies outside them. What it
// tells is a hint and no more. It keeps nothing open in a tree, so that its disk can be unmounted.
//
// Start reading at Serve.
package changes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Kind says what a message is for.
type Kind byte

// The kinds of messages. The daemon sends the first three.
const (
	Follow  Kind = iota + 1 // the tree at Text, a path without links, if it is Top; answered by Follows or Refused
	Leave                   // the tree no more
	Ask                     // to be told all that has happened up to now, and then Told
	Follows                 // what happens from now on is told
	Refused                 // Text says why the tree is not followed
	Changed                 // names in one directory
	Lost                    // changes of the tree were missed
	Told                    // the answer to Ask
)

// Message is one message, in one packet.
type Message struct {
	Kind  Kind
	ID    uint32 // of the tree; of Ask and Told: of the question
	Text  string // of Follow and Refused
	Top   Top    // of Follow
	Dir   string // of Changed: path of a directory in the tree, "." at its top
	Names []Name // of Changed
}

// Top is the directory at the top of a tree, by its numbers.
type Top struct{ Dev, Ino uint64 }

// Name is a name in a directory; the empty one is the directory itself.
type Name struct {
	Name  string
	Other bool // it may be of something else now
}

// mostBytes bounds a message.
const mostBytes = 64 << 10

var errMalformed = errors.New("a message that cannot be read")

func (m Message) bytes() []byte {
	b := []byte{byte(m.Kind)}
	b = binary.LittleEndian.AppendUint32(b, m.ID)
	b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, m.Top.Dev), m.Top.Ino)
	b = appendText(appendText(b, m.Text), m.Dir)
	for _, n := range m.Names {
		other := byte(0)
		if n.Other {
			other = 1
		}
		b = appendText(append(b, other), n.Name)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

func readText(b []byte) (text string, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) { //nolint:gosec // never negative
		return "", nil, false
	}
	return string(b[used : used+int(n)]), b[used+int(n):], true //nolint:gosec // checked above
}

func readMessage(b []byte) (m Message, err error) {
	const head = 21
	if len(b) < head {
		return m, errMalformed
	}
	m.Kind, m.ID = Kind(b[0]), binary.LittleEndian.Uint32(b[1:])
	m.Top = Top{binary.LittleEndian.Uint64(b[5:]), binary.LittleEndian.Uint64(b[13:])}
	b = b[head:]
	var ok bool
	for _, to := range []*string{&m.Text, &m.Dir} {
		if *to, b, ok = readText(b); !ok {
			return m, errMalformed
		}
	}
	for len(b) > 0 {
		n := Name{Other: b[0] == 1}
		if n.Name, b, ok = readText(b[1:]); !ok {
			return m, errMalformed
		}
		m.Names = append(m.Names, n)
	}
	return m, nil
}

// Conn is one end of the connection between the daemon and the helper.
type Conn struct {
	*net.UnixConn

	buffer []byte
}

// NewConn makes an end of a connection of packets (SOCK_SEQPACKET). It refuses a peer that is another user.
func NewConn(conn *net.UnixConn) (*Conn, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("ask who is at the other end: %w", err)
	}
	var peer *unix.Ucred
	if control := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); control != nil || err != nil {
		return nil, fmt.Errorf("ask who is at the other end: %w", errors.Join(control, err))
	}
	if int(peer.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("user %d is at the other end, not user %d", peer.Uid, os.Geteuid())
	}
	return &Conn{UnixConn: conn, buffer: make([]byte, mostBytes)}, nil
}

// Send sends a message.
func (c *Conn) Send(m Message) error {
	_, err := c.Write(m.bytes())
	return err
}

// Receive waits for a message.
func (c *Conn) Receive() (Message, error) {
	n, _, flags, _, err := c.ReadMsgUnix(c.buffer, nil)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err == nil && flags&unix.MSG_TRUNC != 0 {
		err = errMalformed
	}
	if err != nil {
		return Message{}, err
	}
	return readMessage(c.buffer[:n])
}
