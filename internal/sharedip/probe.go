package sharedip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"baton/internal/pair"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Probe asks the link who has the addresses, in a way that teaches nobody
// anything: ARP probes (RFC 5227), solicitations as for duplicate address
// detection (RFC 4862). It returns the foreign owners that answered within wait,
// of the first question, as soon as every address was answered; this machine
// never counts. An interface
// that is down or has no carrier is ErrNoCarrier, not silence.
func (h *Host) Probe(ctx context.Context, ips []pair.SharedIP, wait time.Duration) ([]Owner, error) {
	own, err := ownMACs()
	if err != nil {
		return nil, fmt.Errorf("probe shared IPs: %w", err)
	}
	probes, err := openProbes(ips, own)
	for _, p := range probes {
		defer h.retire(p.port)
	}
	if err != nil {
		return nil, fmt.Errorf("probe shared IPs: %w", err)
	}
	var running sync.WaitGroup
	failed := make([]error, len(probes))
	for i, p := range probes {
		running.Go(func() { failed[i] = p.run(ctx, wait) })
	}
	running.Wait()
	var owners []Owner
	for _, p := range probes {
		owners = append(owners, p.owners...)
		failed = append(failed, p.confirm())
	}
	if err := errors.Join(failed...); err != nil {
		return owners, fmt.Errorf("probe shared IPs: %w", err)
	}
	return owners, nil
}

// probe asks for the addresses of one family on one interface.
type probe struct {
	port       *port
	own        map[MAC]bool
	unanswered map[netip.Addr]bool
	owners     []Owner
}

// place is where a probe is sent.
type place struct {
	iface string
	six   bool
}

// openProbes opens one probe per interface and family. Those opened are returned
// with an error as well.
func openProbes(ips []pair.SharedIP, own map[MAC]bool) ([]*probe, error) {
	byPlace := map[place]*probe{}
	var list []*probe
	for _, ip := range ips {
		addr := ip.Address.Addr()
		at := place{iface: ip.Interface, six: addr.Is6()}
		if byPlace[at] == nil {
			p, err := openHearing(ip.Interface, addr)
			if err != nil {
				return list, err
			}
			byPlace[at] = &probe{port: p, own: own, unanswered: map[netip.Addr]bool{}}
			list = append(list, byPlace[at])
		}
		byPlace[at].unanswered[addr] = true
	}
	return list, nil
}

// openHearing opens a port that hears who owns addresses like this one.
func openHearing(iface string, like netip.Addr) (*port, error) {
	link, err := liveLink(iface)
	if err != nil {
		return nil, err
	}
	if like.Is6() {
		return openPort(link, unix.ETH_P_IPV6, advertisementFilter())
	}
	return openPort(link, unix.ETH_P_ARP, nil)
}

// liveLink looks an interface up; ErrNoCarrier unless frames can leave it. It has a socket of its
// own: evidence does not wait for a renewal.
func liveLink(name string) (netlink.Link, error) {
	kernel := newKernel()
	defer kernel.close()
	link, err := kernel.linkNamed(name)
	if err != nil {
		return nil, err
	}
	if !carrier(link) {
		return nil, fmt.Errorf("interface %s: %w", name, ErrNoCarrier)
	}
	return link, nil
}

func (p *probe) run(ctx context.Context, wait time.Duration) error {
	return p.port.ask(ctx, question{wait: wait, send: p.send, take: p.take})
}

// confirm makes silence count only if the cable was in to the end.
func (p *probe) confirm() error {
	if len(p.unanswered) == 0 {
		return nil
	}
	_, err := liveLink(p.port.name)
	return err
}

func (p *probe) send() error {
	for addr := range p.unanswered {
		frame := arpQuestion(p.port.mac, netip.IPv4Unspecified(), addr)
		if addr.Is6() {
			frame = solicitation(p.port.mac, netip.IPv6Unspecified(), addr)
		}
		if err := p.port.send(frame); err != nil {
			return err
		}
	}
	return nil
}

// take notes who answered; true as soon as nobody is left to be asked.
func (p *probe) take(frame []byte) bool {
	owner, ok := parseOwner(frame)
	if ok && p.unanswered[owner.IP] && !p.own[owner.MAC] {
		delete(p.unanswered, owner.IP)
		p.owners = append(p.owners, owner)
	}
	return len(p.unanswered) == 0
}

// parseOwner reads from an ARP packet or a neighbour advertisement who says that
// it has which address.
func parseOwner(frame []byte) (Owner, bool) {
	if a, ok := parseARP(frame); ok {
		return Owner{IP: a.senderIP, MAC: a.senderMAC}, !a.senderIP.IsUnspecified()
	}
	return parseAdvertisement(frame)
}
