package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var errGone = errors.New("the network namespace is gone")

// namespace is one network namespace, held by a thread that never leaves it.
// Nothing on the file system names it: it vanishes with the process.
type namespace struct {
	fd      int             // of the namespace itself
	links   *netlink.Handle // speaks to the kernel inside it, from any thread
	asking  sync.Mutex      // held while rules is spoken to
	rules   *nftables.Conn  // likewise, one question at a time
	work    chan func()
	closing chan struct{}
	closed  chan struct{}
	once    sync.Once
}

// newNamespace also calls prepare on the new thread: what that does to the
// thread holds for every process started there.
func newNamespace(prepare func() error) (*namespace, error) {
	ns := &namespace{work: make(chan func()), closing: make(chan struct{}), closed: make(chan struct{})}
	ready := make(chan error, 1)
	onOwnThread(func() {
		defer close(ns.closed)
		if err := ns.unshare(); err != nil {
			ready <- err
			return
		}
		defer ns.release()
		if err := prepare(); err != nil {
			ready <- err
			return
		}
		ready <- nil
		ns.serve()
	})
	if err := <-ready; err != nil {
		return nil, err
	}
	return ns, nil
}

// onOwnThread runs f on a thread that ends with it, so that whatever f did to
// the thread harms nobody. The main thread cannot end, so it is never taken.
func onOwnThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return // still locked: the thread ends here
		}
		taken := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(taken)
			f()
		}()
		<-taken
		runtime.UnlockOSThread()
	}()
}

func (ns *namespace) unshare() (err error) {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make a network namespace: %w", err)
	}
	if ns.fd, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("hold the network namespace: %w", err)
	}
	if ns.links, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		_ = unix.Close(ns.fd)
		return fmt.Errorf("open netlink: %w", err)
	}
	if ns.rules, err = nftables.New(nftables.AsLasting()); err != nil {
		ns.links.Close()
		_ = unix.Close(ns.fd)
		return fmt.Errorf("open nftables: %w", err)
	}
	return nil
}

func (ns *namespace) serve() {
	for {
		select {
		case f := <-ns.work:
			f()
		case <-ns.closing:
			return
		}
	}
}

func (ns *namespace) release() {
	_ = ns.rules.CloseLasting()
	ns.links.Close()
	_ = unix.Close(ns.fd)
}

// run calls f on the namespace's own thread, one call at a time: f must be
// short. Processes have to be started here, because the kernel ends them with
// the thread that started them.
func (ns *namespace) run(f func() error) error {
	result := make(chan error, 1)
	select {
	case ns.work <- func() { result <- f() }:
		return <-result
	case <-ns.closed:
		return errGone
	}
}

// visit calls f on a thread of its own inside the namespace; f may block.
func (ns *namespace) visit(f func() error) error {
	fd := -1
	err := ns.run(func() (err error) {
		fd, err = unix.FcntlInt(uintptr(ns.fd), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return err
	}
	result := make(chan error, 1)
	onOwnThread(func() {
		err := unix.Setns(fd, unix.CLONE_NEWNET)
		_ = unix.Close(fd)
		if err != nil {
			result <- fmt.Errorf("enter the network namespace: %w", err)
			return
		}
		result <- f()
	})
	return <-result
}

func (ns *namespace) close() {
	ns.once.Do(func() { close(ns.closing) })
	<-ns.closed
}

// sysctl writes one kernel parameter of the namespace, as net/ipv6/conf/all/accept_dad.
func (ns *namespace) sysctl(name, value string) error {
	return ns.run(func() error {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0); err != nil {
			return fmt.Errorf("set kernel parameter: %w", err)
		}
		return nil
	})
}

// identity is how /proc names the namespace, as net:[4026532177].
func (ns *namespace) identity() (name string, err error) {
	err = ns.run(func() error {
		name, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	})
	return name, err
}

// flushAddress takes an address off the interface, if it is there.
func (ns *namespace) flushAddress(ip netip.Addr) error {
	link, err := ns.links.LinkByName(Interface)
	if err != nil {
		return fmt.Errorf("find %s: %w", Interface, err)
	}
	found, err := ns.links.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("list the addresses: %w", err)
	}
	for _, address := range found {
		if has, ok := netip.AddrFromSlice(address.IP); !ok || has.Unmap() != ip {
			continue
		}
		if err := ns.links.AddrDel(link, &address); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("flush %s: %w", ip, err)
		}
	}
	return nil
}
