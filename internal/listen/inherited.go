package listen

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// A process that goes on where another left off takes over its listeners: who connects
// meanwhile waits in the kernel's queue. They come as open files, from systemd, which kept
// them over a restart (LISTEN_FDS, sd_listen_fds(3)), or across an exec of the same process.

// ownFiles names the environment variable of an exec: numbers of open files, with commas.
const ownFiles = "BATON_LISTENERS"

const (
	firstOfSystemd = 3          // SD_LISTEN_FDS_START
	storedName     = "listener" // of all that systemd keeps
)

// Inherited are listeners of the process before this one.
type Inherited struct {
	mu    sync.Mutex
	files []*os.File
}

// Inherit takes what this process was started with. It is called once.
func Inherit() *Inherited {
	i := &Inherited{}
	if pid, _ := strconv.Atoi(os.Getenv("LISTEN_PID")); pid == os.Getpid() {
		count, _ := strconv.Atoi(os.Getenv("LISTEN_FDS"))
		for fd := firstOfSystemd; fd < firstOfSystemd+count; fd++ {
			i.take(fd)
		}
		// Else systemd would keep them, and their ports, also once no configuration file names them.
		_, _ = daemon.SdNotify(false, "FDSTOREREMOVE=1\nFDNAME="+storedName)
	}
	for text := range strings.SplitSeq(os.Getenv(ownFiles), ",") {
		if fd, err := strconv.Atoi(text); err == nil {
			i.take(fd)
		}
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", ownFiles} {
		_ = os.Unsetenv(name) // no program that is started from here gets them
	}
	return i
}

func (i *Inherited) take(fd int) {
	unix.CloseOnExec(fd)
	i.files = append(i.files, os.NewFile(uintptr(fd), "listener"))
}

// None reports whether there is none.
func (i *Inherited) None() bool { return len(i.files) == 0 }

// listener returns the one that listens on an address; nil: none does.
func (i *Inherited) listener(address string) net.Listener {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, file := range i.files {
		if file == nil {
			continue
		}
		listener, err := net.FileListener(file) // has a copy of the file
		if err != nil {
			continue
		}
		if isAt(listener, address) {
			_ = file.Close()
			i.files[n] = nil
			return listener
		}
		_ = listener.Close()
	}
	return nil
}

// isAt reports whether a listener listens on an address of the configuration file.
func isAt(listener net.Listener, address string) bool {
	wanted, err := net.ResolveTCPAddr("tcp", address)
	at, tcp := listener.Addr().(*net.TCPAddr)
	return err == nil && tcp && at.Port == wanted.Port && (at.IP.Equal(wanted.IP) || at.IP.IsUnspecified() && len(wanted.IP) == 0)
}

// keepOnly closes those that listen on none of the addresses: one on all addresses of a port is in
// the way of one on a single address.
func (i *Inherited) keepOnly(addresses []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, file := range i.files {
		listener, err := net.FileListener(file) // has a copy of the file
		wanted := err == nil && slices.ContainsFunc(addresses, func(address string) bool { return isAt(listener, address) })
		if err == nil {
			_ = listener.Close()
		}
		if !wanted {
			_ = file.Close()
			i.files[n] = nil
		}
	}
}

// Close closes those that no address of the configuration file has any more.
func (i *Inherited) Close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, file := range i.files {
		if file != nil {
			_ = file.Close()
		}
	}
	i.files = nil
}

// Kept are copies of this process's own listeners, for the next one.
type Kept []*os.File

// keep copies them. They go on listening when the originals are closed.
func keep(listeners []net.Listener) (kept Kept, _ error) {
	for _, listener := range listeners {
		tcp, is := listener.(*net.TCPListener)
		if !is {
			continue
		}
		file, err := tcp.File()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("keep the listener on %s: %w", listener.Addr(), err), kept.Close())
		}
		kept = append(kept, file)
	}
	return kept, nil
}

// Close gives them up.
func (k Kept) Close() error {
	var failed []error
	for _, file := range k {
		failed = append(failed, file.Close())
	}
	return errors.Join(failed...)
}

// AcrossExec lets an exec of this process keep them, and returns the entry of its environment
// that names them.
func (k Kept) AcrossExec() (string, error) {
	var numbers []string
	for _, file := range k {
		fd := int(file.Fd())
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return "", fmt.Errorf("keep a listener across an exec: %w", err)
		}
		numbers = append(numbers, strconv.Itoa(fd))
	}
	return ownFiles + "=" + strings.Join(numbers, ","), nil
}

// ToSystemd hands them to systemd, which gives them to the next process of the unit
// (sd_notify(3), FDSTORE). Without systemd it does nothing.
func (k Kept) ToSystemd() error {
	manager := os.Getenv("NOTIFY_SOCKET")
	if manager == "" || len(k) == 0 {
		return nil
	}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("hand the listeners to systemd: %w", err)
	}
	defer func() { _ = unix.Close(socket) }()
	fds := make([]int, len(k))
	for i, file := range k {
		fds[i] = int(file.Fd())
	}
	if err := unix.Sendmsg(socket, []byte("FDSTORE=1\nFDNAME="+storedName), unix.UnixRights(fds...), &unix.SockaddrUnix{Name: manager}, 0); err != nil {
		return fmt.Errorf("hand the listeners to systemd: %w", err)
	}
	return nil
}
