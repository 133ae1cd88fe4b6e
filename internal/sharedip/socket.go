package sharedip

import (
	"fmt"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// kernel asks the kernel over one netlink socket that stays open: to open one takes longer than
// to ask, and addresses are renewed several times a second.
type kernel struct {
	mu     sync.Mutex
	open   func() (*netlink.Handle, error)
	socket *netlink.Handle // nil: the next question opens it
}

// answerWithin bounds how long the kernel may take to answer once it has done what it was asked
// for: the answer is there by then.
const answerWithin = time.Second

func newKernel() *kernel {
	return &kernel{open: func() (*netlink.Handle, error) {
		socket, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return nil, err
		}
		if err := socket.SetSocketTimeout(answerWithin); err != nil {
			socket.Close()
			return nil, err
		}
		return socket, nil
	}}
}

// ask asks a question. After a failure the socket is not used again, since more of an answer may
// still come; and if it was kept from an earlier question, the fault may be the socket's: a new
// one gets the question again. So it must do no harm to ask twice.
func (k *kernel) ask(question func(*netlink.Handle) error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.socket != nil {
		if question(k.socket) == nil {
			return nil
		}
		k.drop()
	}
	socket, err := k.open()
	if err != nil {
		return fmt.Errorf("open a netlink socket: %w", err)
	}
	k.socket = socket
	if err := question(socket); err != nil {
		k.drop()
		return err
	}
	return nil
}

// close gives the socket back.
func (k *kernel) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop()
}

// drop does what close says. The mutex is held.
func (k *kernel) drop() {
	if k.socket != nil {
		k.socket.Close()
		k.socket = nil
	}
}
