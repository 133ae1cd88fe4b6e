package lab

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const bridgeName = "switch"

// exchange is the switch: a bridge in a namespace of its own, one port a host.
type exchange struct {
	ns     *namespace
	bridge int // index of the bridge

	mu     sync.Mutex
	ports  map[int]string // index of a port to the host behind it; entries of removed cables stay
	filter *nftables.Conn
	chain  *nftables.Chain
	drops  []drop
	wires  map[string]*wire // of hosts whose frames are delayed
}

func newExchange() (*exchange, error) {
	ns, err := newNamespace(func() error { return nil })
	if err != nil {
		return nil, err
	}
	sw := &exchange{ns: ns, ports: map[int]string{}, wires: map[string]*wire{}}
	if err := sw.build(); err != nil {
		ns.close()
		return nil, fmt.Errorf("make the switch: %w", err)
	}
	return sw, nil
}

func (sw *exchange) build() error {
	snooping := false // floods multicast, as a plain switch does: NDP needs no querier then
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName}, MulticastSnooping: &snooping}
	if err := sw.ns.links.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add the bridge: %w", err)
	}
	link, err := sw.ns.links.LinkByName(bridgeName)
	if err != nil {
		return fmt.Errorf("find the bridge: %w", err)
	}
	sw.bridge = link.Attrs().Index
	if err := sw.ns.links.LinkSetUp(link); err != nil {
		return fmt.Errorf("set the bridge up: %w", err)
	}
	return sw.openFilter()
}

func portName(host string) string { return "to-" + host }

// plugNew makes a cable: one end a port of the switch, the other eth0 of the host.
// Both ends are made on the switch, so that their indexes differ: the kernel
// reports a lost carrier only after a second if the two are equal.
func (sw *exchange) plugNew(h *Host, ns *namespace) error {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	links := sw.ns.links
	cable := &netlink.Veth{
		LinkAttrs:        netlink.LinkAttrs{Name: portName(h.name), MasterIndex: sw.bridge},
		PeerName:         Interface,
		PeerHardwareAddr: h.MAC(),
	}
	if err := links.LinkAdd(cable); err != nil {
		return fmt.Errorf("make the cable: %w", err)
	}
	far, err := links.LinkByName(Interface)
	if err != nil {
		return fmt.Errorf("find the cable's end: %w", err)
	}
	if err := links.LinkSetNsFd(far, ns.fd); err != nil {
		return fmt.Errorf("lay the cable to the host: %w", err)
	}
	port, err := links.LinkByName(portName(h.name))
	if err != nil {
		return fmt.Errorf("find the port: %w", err)
	}
	sw.ports[port.Attrs().Index] = h.name
	return sw.setPort(h.name, unix.IFF_UP)
}

// hostAt names the host behind the port with that index; empty if there is none.
func (sw *exchange) hostAt(index int) string {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	return sw.ports[index]
}

// setPort sets a port up (IFF_UP) or down (0): plugs or pulls the cable.
func (sw *exchange) setPort(host string, flags uint32) error {
	port, err := sw.ns.links.LinkByName(portName(host))
	if err != nil {
		return fmt.Errorf("find the port of %s: %w", host, err)
	}
	set := sw.ns.links.LinkSetDown
	if flags&unix.IFF_UP != 0 {
		set = sw.ns.links.LinkSetUp
	}
	if err := set(port); err != nil {
		return fmt.Errorf("set the port of %s: %w", host, err)
	}
	return nil
}

// await blocks until frames pass the new cable: the kernel takes a moment to
// notice the carrier, and a host that asks for a neighbour in that moment would
// ask again only after a second.
func (sw *exchange) await(h *Host, ns *namespace) error {
	up := func(links *netlink.Handle, name string) bool {
		link, err := links.LinkByName(name)
		return err == nil && link.Attrs().OperState == netlink.OperUp
	}
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if up(sw.ns.links, portName(h.name)) && up(ns.links, Interface) && up(sw.ns.links, bridgeName) {
			return nil
		}
	}
	return fmt.Errorf("the cable of %s does not come up", h.name)
}

// removePort takes a host's cable away. When the host's namespace goes at the
// same time, the kernel may have been quicker.
func (sw *exchange) removePort(host string) error {
	port, err := sw.ns.links.LinkByName(portName(host))
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the port of %s: %w", host, err)
	}
	if err := sw.ns.links.LinkDel(port); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove the cable of %s: %w", host, err)
	}
	return nil
}

func (sw *exchange) close() {
	for _, w := range sw.wires {
		_ = w.close()
	}
	if sw.filter != nil {
		_ = sw.filter.CloseLasting()
	}
	sw.ns.close()
}
