package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Ask asks the whole link at an interval, from the host, who has the IPv4
// address, until ctx ends: a Watcher notes who answers. It asks with the host's
// own address, as any neighbour would, so that nobody takes it for a rival; the
// answers change what the host itself believes, so that no client should be on it.
func (l *Lab) Ask(ctx context.Context, from *Host, ip netip.Addr, every time.Duration) error {
	fd := -1
	index := 0
	err := from.Do(func() (err error) {
		link, err := net.InterfaceByName(Interface)
		if err != nil {
			return err
		}
		index = link.Index
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return fmt.Errorf("ask from %s: %w", from.name, err)
	}
	defer func() { _ = unix.Close(fd) }()
	frame := arpRequest(from.MAC(), from.Addr4(), ip)
	to := &unix.SockaddrLinklayer{Ifindex: index, Protocol: bigEndian(unix.ETH_P_ARP), Halen: 6}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		// One that cannot be sent now is not missed: the next follows at once.
		_ = unix.Sendto(fd, frame, 0, to)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// arpRequest asks everybody who has the target (RFC 826).
func arpRequest(mac net.HardwareAddr, sender, target netip.Addr) []byte {
	frame := []byte("\xff\xff\xff\xff\xff\xff")
	frame = append(frame, mac...)
	frame = binary.BigEndian.AppendUint16(frame, etherARP)
	frame = append(frame, "\x00\x01\x08\x00\x06\x04\x00\x01"...)
	frame = append(frame, mac...)
	frame = append(frame, sender.AsSlice()...)
	frame = append(frame, make([]byte, 6)...)
	return append(frame, target.AsSlice()...)
}
