package sharedip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"baton/internal/pair"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// survey is what the kernel said at one moment about the managed interfaces.
type survey struct {
	links map[string]netlink.Link // by name; an interface that does not exist is absent
	addrs []netlink.Addr          // of all interfaces
}

// survey asks the kernel.
func (k *kernel) survey(managed []pair.SharedIP) (survey, error) {
	s := survey{links: map[string]netlink.Link{}}
	for _, ip := range managed {
		if s.links[ip.Interface] != nil {
			continue
		}
		link, err := k.linkNamed(ip.Interface)
		if errors.Is(err, ErrNoInterface) {
			continue
		}
		if err != nil {
			return survey{}, err
		}
		s.links[ip.Interface] = link
	}
	var err error
	s.addrs, err = k.addresses()
	return s, err
}

// addresses lists the addresses of all interfaces. A dump that a change
// interrupts is asked for again.
func (k *kernel) addresses() (list []netlink.Addr, err error) {
	err = k.ask(func(socket *netlink.Handle) (err error) {
		for range 5 {
			list, err = socket.AddrList(nil, netlink.FAMILY_ALL)
			if !errors.Is(err, netlink.ErrDumpInterrupted) {
				break
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	return list, nil
}

// ErrNoInterface says that there is no interface of that name.
var ErrNoInterface = errors.New("no such interface")

func (k *kernel) linkNamed(name string) (link netlink.Link, err error) {
	err = k.ask(func(socket *netlink.Handle) (err error) {
		link, err = socket.LinkByName(name)
		return err
	})
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return nil, fmt.Errorf("interface %s: %w: name one that this machine has in the configuration file", name, ErrNoInterface)
	}
	if err != nil {
		return nil, fmt.Errorf("look up interface %s: %w", name, err)
	}
	return link, nil
}

// on returns the addresses of one interface.
func (s survey) on(link netlink.Link) []netlink.Addr {
	var list []netlink.Addr
	for _, addr := range s.addrs {
		if addr.LinkIndex == link.Attrs().Index {
			list = append(list, addr)
		}
	}
	return list
}

// placed returns the kernel's addresses that are ip's on its interface, whatever
// their network length: more than one after a change of the configuration.
func (s survey) placed(ip pair.SharedIP) []netlink.Addr {
	link := s.links[ip.Interface]
	if link == nil {
		return nil
	}
	return slices.DeleteFunc(s.on(link), func(addr netlink.Addr) bool { return prefixOf(addr).Addr() != ip.Address.Addr() })
}

// holds reports whether ip is on its interface exactly as wanted.
func (s survey) holds(ip pair.SharedIP) bool {
	return slices.ContainsFunc(s.placed(ip), func(addr netlink.Addr) bool { return prefixOf(addr) == ip.Address })
}

// own returns the addresses of an interface that are its own: not managed.
func (s survey) own(link netlink.Link, managed []pair.SharedIP) []netip.Prefix {
	var list []netip.Prefix
	for _, addr := range s.on(link) {
		prefix := prefixOf(addr)
		shared := slices.ContainsFunc(managed, func(ip pair.SharedIP) bool { return ip.Address.Addr() == prefix.Addr() })
		if !shared && addr.Flags&(unix.IFA_F_TENTATIVE|unix.IFA_F_DADFAILED) == 0 {
			list = append(list, prefix)
		}
	}
	return list
}

func prefixOf(addr netlink.Addr) netip.Prefix {
	ip, _ := netip.AddrFromSlice(addr.IP)
	bits, _ := addr.Mask.Size()
	return netip.PrefixFrom(ip.Unmap(), bits)
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	addr := prefix.Addr()
	return &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(prefix.Bits(), addr.BitLen())}
}

// forever is the kernel's lifetime without end.
const forever = math.MaxUint32

// lifetime converts a lease to whole seconds, rounded up; 0 is forever.
func lifetime(lease time.Duration) int {
	if lease <= 0 {
		return forever
	}
	return int((lease + time.Second - 1) / time.Second)
}

// put adds ip to link, or renews it, beside the link's own addresses.
func (k *kernel) put(link netlink.Link, ip pair.SharedIP, own []netip.Prefix, lease time.Duration) error {
	seconds := lifetime(lease)
	addr := netlink.Addr{IPNet: ipNet(ip.Address), ValidLft: seconds, PreferedLft: seconds}
	if ip.Address.Addr().Is6() {
		// We probe before a claim ourselves: no second wait for the kernel's duplicate address detection.
		addr.Flags = unix.IFA_F_NODAD
		// Deprecated: the machine's own connections must not start from an address that may leave it.
		addr.PreferedLft = 0
		if slices.ContainsFunc(own, func(p netip.Prefix) bool { return p.Masked() == ip.Address.Masked() }) {
			// The route is the own address's: a lease given to an address that had none would end it, too.
			addr.Flags |= unix.IFA_F_NOPREFIXROUTE
		}
	}
	err := k.ask(func(socket *netlink.Handle) error { return socket.AddrReplace(link, &addr) })
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("set shared IP %s: %w", ip, ErrNotPermitted)
	}
	if err != nil {
		return fmt.Errorf("set shared IP %s: %w", ip, err)
	}
	return nil
}

// usableWithin bounds how long the kernel may take to make a new address usable:
// measured 0.1 to 26 ms.
const usableWithin = 100 * time.Millisecond

// awaitUsable waits until the kernel answers for a new IPv6 address: it joins the
// address's multicast group and adds the local route, in this order, in the
// background. A machine that is told of the address earlier gets no answer, and
// waits for a second before trying again.
func (k *kernel) awaitUsable(ip netip.Addr) error {
	for begun := time.Now(); time.Since(begun) < usableWithin; time.Sleep(100 * time.Microsecond) {
		var routes []netlink.Route
		err := k.ask(func(socket *netlink.Handle) (err error) {
			routes, err = socket.RouteGet(ip.AsSlice())
			return err
		})
		if err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL {
			return nil
		}
	}
	return fmt.Errorf("shared IP %s: not usable within %s", ip, usableWithin)
}

// take removes addr; one that has gone in the meantime is no error.
func (k *kernel) take(addr netlink.Addr) error {
	err := k.ask(func(socket *netlink.Handle) error {
		return socket.AddrDel(nil, &netlink.Addr{IPNet: addr.IPNet, Peer: addr.Peer, LinkIndex: addr.LinkIndex})
	})
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("take off shared IP %s: %w", addr.IPNet, err)
	}
	return nil
}

// Settings of an IPv4 interface, numbered as in linux/ip.h.
const (
	confARPAnnounce        = 18
	confPromoteSecondaries = 20
)

// prepare sets what an interface with a shared IP needs, by netlink, which works
// where /proc/sys is read-only: the kernel's own ARP requests must not name the
// shared IP as their sender (arp_announce 2), and other addresses of the network
// must stay when the shared one goes first (promote_secondaries).
func prepare(link netlink.Link) error {
	request := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	message := nl.NewIfInfomsg(unix.AF_UNSPEC)
	message.Index = int32(link.Attrs().Index) //nolint:gosec // the kernel gave it as 32 bits
	request.AddData(message)
	families := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	conf := families.AddRtAttr(unix.AF_INET, nil).AddRtAttr(unix.IFLA_INET_CONF, nil)
	conf.AddRtAttr(confARPAnnounce, binary.NativeEndian.AppendUint32(nil, 2))
	conf.AddRtAttr(confPromoteSecondaries, binary.NativeEndian.AppendUint32(nil, 1))
	request.AddData(families)
	if _, err := request.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("prepare interface %s: %w", link.Attrs().Name, err)
	}
	return nil
}

// carrier reports whether frames can leave: administratively up, cable in.
func carrier(link netlink.Link) bool {
	const up = unix.IFF_UP | unix.IFF_LOWER_UP
	return link.Attrs().RawFlags&up == up
}

// ownMACs lists the Ethernet addresses of this machine.
func ownMACs() (map[MAC]bool, error) {
	links, err := netlink.LinkList()
	if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	own := map[MAC]bool{}
	for _, link := range links {
		if mac, ok := macOf(link.Attrs().HardwareAddr); ok {
			own[mac] = true
		}
	}
	return own, nil
}

// gateways lists the routers that link's default routes name.
func gateways(link netlink.Link, like netip.Addr) []netip.Addr {
	family := netlink.FAMILY_V4
	if like.Is6() {
		family = netlink.FAMILY_V6
	}
	routes, err := netlink.RouteList(link, family)
	if err != nil {
		return nil // nobody to teach: the broadcast announcements remain
	}
	var list []netip.Addr
	for _, route := range routes {
		if route.Dst != nil && !route.Dst.IP.IsUnspecified() {
			continue
		}
		if gateway, ok := netip.AddrFromSlice(route.Gw); ok {
			list = append(list, gateway.Unmap())
		}
	}
	return list
}

// forwards reports whether the machine routes IPv6 from this interface.
func forwards(iface string) bool {
	value, err := os.ReadFile(filepath.Join("/proc/sys/net/ipv6/conf", filepath.Base(iface), "forwarding"))
	return err == nil && strings.TrimSpace(string(value)) == "1"
}
