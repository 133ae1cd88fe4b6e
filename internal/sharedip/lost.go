package sharedip

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"baton/internal/pair"

	"golang.org/x/sys/unix"
)

// Lost is the lost-address check. It pings target, a machine on the link, from
// the interface's own address and from the shared one, and reports which pings
// were answered. Replies to the shared address go to the machine that target
// takes for its owner: own answered and shared not means that another machine has taken it.
// The check teaches nobody anything: target's MAC is asked for in the name of
// the own address only, and the pings are frames of our own.
//
// It returns as soon as both are answered, or once each question has had its part
// of wait. A target
// that the interface does not reach directly, or reaches with no own address, is
// ErrNotOnLink. Ask only targets that have answered the shared address before:
// a machine may be set to answer some and not others.
func (h *Host) Lost(ctx context.Context, ip pair.SharedIP, target netip.Addr, wait time.Duration) (own, shared bool, err error) {
	source, err := h.sourceFor(ip, target)
	if err != nil {
		return false, false, fmt.Errorf("check shared IP %s: %w", ip, err)
	}
	own, shared, err = h.pingBoth(ctx, ip, source, target, wait)
	if err != nil {
		return own, shared, fmt.Errorf("check shared IP %s: %w", ip, err)
	}
	return own, shared, nil
}

// sourceFor returns the interface's own address in target's network.
func (h *Host) sourceFor(ip pair.SharedIP, target netip.Addr) (netip.Addr, error) {
	found, err := h.kernel.survey(h.managed)
	if err != nil {
		return netip.Addr{}, err
	}
	link := found.links[ip.Interface]
	if link == nil {
		return netip.Addr{}, fmt.Errorf("interface %s: %w", ip.Interface, ErrNoInterface)
	}
	target = target.WithZone("")
	own := found.own(link, h.managed)
	i := slices.IndexFunc(own, func(p netip.Prefix) bool { return p.Contains(target) && p.Addr() != target })
	if i < 0 || target.Is4() != ip.Address.Addr().Is4() {
		return netip.Addr{}, fmt.Errorf("%s from %s: %w", target, ip.Interface, ErrNotOnLink)
	}
	return own[i].Addr(), nil
}

func (h *Host) pingBoth(ctx context.Context, ip pair.SharedIP, source, target netip.Addr, wait time.Duration) (own, shared bool, err error) {
	deadline := time.Now().Add(wait)
	target = target.WithZone("")
	hearing, err := openHearing(ip.Interface, target)
	if err != nil {
		return false, false, err
	}
	defer h.retire(hearing)
	mac, found, err := resolve(ctx, hearing, source, target, wait)
	if err != nil || !found {
		return false, false, err
	}
	fromOwn := echo{srcMAC: hearing.mac, dstMAC: mac, src: source, dst: target, id: randomID()}
	fromShared := fromOwn
	fromShared.src = ip.Address.Addr()
	replies, err := openReplies(ip.Interface, fromOwn)
	if err != nil {
		return false, false, err
	}
	defer h.retire(replies)
	err = replies.ask(ctx, question{
		wait: max(time.Until(deadline), wait/2),
		send: func() error {
			return sendAll(replies, [][]byte{fromOwn.frame(), fromShared.frame()})
		},
		take: func(frame []byte) bool {
			own = own || fromOwn.answeredBy(frame)
			shared = shared || fromShared.answeredBy(frame)
			return own && shared
		},
	})
	return own, shared, err
}

// resolve asks for target's MAC in the name of source.
func resolve(ctx context.Context, p *port, source, target netip.Addr, wait time.Duration) (mac MAC, found bool, err error) {
	frame := arpQuestion(p.mac, source, target)
	if target.Is6() {
		frame = solicitation(p.mac, source, target)
	}
	err = p.ask(ctx, question{
		wait: wait,
		send: func() error { return p.send(frame) },
		take: func(frame []byte) bool {
			owner, ok := parseOwner(frame)
			if ok && owner.IP == target {
				mac, found = owner.MAC, true
			}
			return found
		},
	})
	return mac, found, err
}

func openReplies(iface string, e echo) (*port, error) {
	link, err := liveLink(iface)
	if err != nil {
		return nil, err
	}
	if e.dst.Is6() {
		return openPort(link, unix.ETH_P_IPV6, echoFilter6(e.id))
	}
	return openPort(link, unix.ETH_P_IP, echoFilter4(e.id))
}

func randomID() uint16 {
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return binary.BigEndian.Uint16(b[:])
}
