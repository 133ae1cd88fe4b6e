package lab_test

import (
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"baton/internal/lab"
)

// sendARP broadcasts a gratuitous ARP request from the calling thread's namespace.
func sendARP(mac net.HardwareAddr, ip netip.Addr) error {
	eth0, err := net.InterfaceByName(lab.Interface)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Sendto(fd, lab.ARPFrame(mac, ip), 0, &unix.SockaddrLinklayer{Ifindex: eth0.Index})
}
