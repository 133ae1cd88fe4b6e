package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Interface is the name of every host's one network interface.
const Interface = "eth0"

// ErrOff means that the host's power is cut.
var ErrOff = errors.New("the host is switched off")

// Host is one simulated machine.
type Host struct {
	name      string
	number    byte // makes its hardware address
	addresses []netip.Prefix
	dir       string
	place     string // where its own programs find dir
	disk      *disk  // its own file system; nil: dir is a plain directory
	mark      string // environment entry that every process in the lab carries
	log       *slog.Logger

	mu        sync.Mutex
	ns        *namespace // nil while switched off
	processes map[*Process]struct{}
}

// Name is the host's name, as alpha.
func (h *Host) Name() string { return h.name }

// Dir is the host's own directory, as this process sees it: what it holds
// outlives a power cut, except for what a disk of the host's own (HostSpec.Disk)
// had not made durable; that disk cannot be seen while the host is off. Programs
// on the host find the directory at Lab.Disk as well.
func (h *Host) Dir() string { return h.dir }

// Addr4 is the host's first IPv4 address; the zero value if it has none.
func (h *Host) Addr4() netip.Addr { return h.first(netip.Addr.Is4) }

// Addr6 is the host's first IPv6 address; the zero value if it has none.
func (h *Host) Addr6() netip.Addr { return h.first(netip.Addr.Is6) }

func (h *Host) first(fits func(netip.Addr) bool) netip.Addr {
	for _, prefix := range h.addresses {
		if fits(prefix.Addr()) {
			return prefix.Addr()
		}
	}
	return netip.Addr{}
}

// MAC is the hardware address of the host's interface.
func (h *Host) MAC() net.HardwareAddr {
	return net.HardwareAddr{0x02, 0xba, 0x70, 0, 0, h.number}
}

// On reports whether the host has power.
func (h *Host) On() bool {
	_, err := h.namespace()
	return err == nil
}

func (h *Host) namespace() (*namespace, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ns == nil {
		return nil, fmt.Errorf("%s: %w", h.name, ErrOff)
	}
	return h.ns, nil
}

// Do calls f on a thread inside the host: sockets that f opens belong to the
// host for good. The function must not start processes (see Start), nor leave
// the work to other goroutines: a name lookup does.
func (h *Host) Do(f func() error) error {
	ns, err := h.namespace()
	if err != nil {
		return err
	}
	return ns.visit(f)
}

// Listen opens a listener inside the host; the path of a unix socket is one that the host sees.
func (h *Host) Listen(ctx context.Context, network, address string) (listener net.Listener, err error) {
	ns, err := h.namespace()
	if err == nil {
		err = ns.run(func() error {
			listener, err = (&net.ListenConfig{}).Listen(ctx, network, address)
			return err
		})
	}
	return listener, err
}

// Carrier reports whether the host's interface sees a plugged cable.
func (h *Host) Carrier() (bool, error) {
	ns, err := h.namespace()
	if err != nil {
		return false, err
	}
	link, err := ns.links.LinkByName(Interface)
	if err != nil {
		return false, fmt.Errorf("read the interface of %s: %w", h.name, err)
	}
	return link.Attrs().RawFlags&unix.IFF_LOWER_UP != 0, nil
}

// Addresses lists what the host's kernel has on any interface right now.
func (h *Host) Addresses() ([]netip.Addr, error) {
	ns, err := h.namespace()
	if errors.Is(err, ErrOff) {
		return nil, nil
	}
	found, err := ns.links.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list the addresses of %s: %w", h.name, err)
	}
	addresses := make([]netip.Addr, 0, len(found))
	for _, address := range found {
		if ip, ok := netip.AddrFromSlice(address.IP); ok {
			addresses = append(addresses, ip.Unmap())
		}
	}
	return addresses, nil
}

// boot gives the host a kernel of its own, freshly started, and a cable.
func (h *Host) boot(sw *exchange) error {
	ns, err := newNamespace(h.mountDisk)
	if err != nil {
		return err
	}
	if err := h.furnish(ns, sw); err != nil {
		ns.close()
		return errors.Join(err, h.disk.leave())
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ns = ns
	return nil
}

// mountDisk gives the calling thread, and what it starts, a view of the files in which
// the host's own directory is also the machine's one disk, and /run is empty.
func (h *Host) mountDisk() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	if err == nil {
		err = unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755")
	}
	if err == nil && h.disk != nil {
		return h.disk.mount(h.place)
	}
	if err == nil {
		err = unix.Mount(h.dir, h.place, "", unix.MS_BIND, "")
	}
	if err != nil {
		return fmt.Errorf("mount the host's disk and /run: %w", err)
	}
	return nil
}

func (h *Host) furnish(ns *namespace, sw *exchange) error {
	// Duplicate address detection would keep an IPv6 address unusable for a second.
	for _, name := range []string{"all/accept_dad", "default/accept_dad", "default/dad_transmits"} {
		if err := ns.sysctl("net/ipv6/conf/"+name, "0"); err != nil {
			return err
		}
	}
	// As the default of Linux it fills every queue; the machine below may have another one.
	if err := ns.sysctl("net/ipv4/tcp_congestion_control", "reno"); err != nil {
		return err
	}
	if err := sw.plugNew(h, ns); err != nil {
		return err
	}
	for _, name := range []string{"lo", Interface} {
		link, err := ns.links.LinkByName(name)
		if err != nil {
			return fmt.Errorf("find %s: %w", name, err)
		}
		if err := ns.links.LinkSetUp(link); err != nil {
			return fmt.Errorf("set %s up: %w", name, err)
		}
	}
	if err := h.address(ns); err != nil {
		return err
	}
	return sw.await(h, ns)
}

func (h *Host) address(ns *namespace) error {
	link, err := ns.links.LinkByName(Interface)
	if err != nil {
		return fmt.Errorf("find %s: %w", Interface, err)
	}
	for _, prefix := range h.addresses {
		address := &netlink.Addr{
			IPNet: &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())},
			Flags: unix.IFA_F_NODAD, // usable in this very moment, not in the next
		}
		if err := ns.links.AddrReplace(link, address); err != nil {
			return fmt.Errorf("add %s: %w", prefix, err)
		}
	}
	return nil
}

// end takes the power away for good: processes first, then the kernel, then the disk.
func (h *Host) end() error {
	h.mu.Lock()
	ns := h.ns
	h.ns = nil
	h.mu.Unlock()
	if ns == nil {
		return nil
	}
	h.kill(ns)
	ns.close()
	return h.disk.leave()
}
