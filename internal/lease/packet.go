package lease

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// discard is the UDP port that the packets name. None ever arrives: the rules drop
// them on the loopback interface.
const discard = 9

// sender sends marked packets. Its sockets are made once, so that sending one
// needs no memory and waits for no lock.
type sender struct {
	mu   sync.Mutex
	four int
	six  int // -1 where the machine has no IPv6
}

func newSender() (*sender, error) {
	four, err := markedSocket(unix.AF_INET)
	if err != nil {
		return nil, err
	}
	six, err := markedSocket(unix.AF_INET6)
	if err != nil {
		six = -1
	}
	return &sender{four: four, six: six}, nil
}

func markedSocket(family int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open a socket to renew the traffic lease: %w", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, markBase); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("mark packets: %w: grant CAP_NET_ADMIN", err)
	}
	return fd, nil
}

func (s *sender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fd := range []int{s.four, s.six} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	s.four, s.six = -1, -1
}

// errLapsed says that a lease cannot be renewed: it has run out, or the address is
// not on this machine.
var errLapsed = errors.New("the traffic lease has run out, or the address is not on this machine")

// socketFor returns what to send through, and where to.
func (s *sender) socketFor(addr netip.Addr) (int, unix.Sockaddr) {
	if addr.Is4() {
		return s.four, &unix.SockaddrInet4{Port: discard, Addr: addr.As4()}
	}
	return s.six, &unix.SockaddrInet6{Port: discard, Addr: addr.As16()}
}

// send asks the rules for something about an address.
func (s *sender) send(addr netip.Addr, m uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, to := s.socketFor(addr)
	if fd < 0 {
		return fmt.Errorf("renew the traffic lease of %s: no socket for it", addr)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(m)); err != nil {
		return fmt.Errorf("mark packets: %w", err)
	}
	err := unix.Sendto(fd, []byte{0}, 0, to)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.EHOSTUNREACH):
		return fmt.Errorf("%s: %w", addr, errLapsed)
	case err != nil:
		return fmt.Errorf("renew the traffic lease of %s: %w", addr, err)
	}
	return nil
}

// bootTime reads the clock that goes on while the machine is suspended.
func bootTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("this kernel has no CLOCK_BOOTTIME: " + err.Error()) // since Linux 2.6.39 it cannot fail
	}
	return time.Duration(ts.Nano())
}

// slack is what sending may take.
const slack = time.Millisecond

// step is the place on the ladder of the longest lease that fits a term now; false
// if there is none.
func step(term Term, now time.Duration) (at int, ok bool) {
	for i, length := range ladder() {
		if length > term.Longest || term.Until-now < length+slack {
			break
		}
		at, ok = i, true
	}
	return at, ok
}
