package lab

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// wire carries a host's frames through this process, each a while later: the
// host's port leaves the bridge, and a tap takes its place there. Frames keep
// their order. They travel with what the kernel owes them (checksums, segments:
// virtio_net_hdr), as between two virtual machines.
type wire struct {
	port *os.File // packet socket on the host's port
	tap  *os.File
	end  sync.WaitGroup
}

const (
	maxFrame   = 70_000 // the longest frame that a host hands over unsegmented, and its header
	wireFrames = 4096   // under way in one direction; more are lost, as in a real queue
)

func tapName(host string) string { return "via-" + host }

// delay lays a wire, or takes it away.
func (sw *exchange) delay(host string, by time.Duration) (err error) {
	sw.mu.Lock()
	defer sw.mu.Unlock()
	if laid := sw.wires[host]; laid != nil {
		delete(sw.wires, host)
		err = sw.take(host, laid)
	}
	if err != nil || by <= 0 {
		return err
	}
	sw.wires[host], err = sw.lay(host, by)
	if err != nil {
		delete(sw.wires, host)
	}
	return err
}

// lay puts a wire in place of the host's cable end.
func (sw *exchange) lay(host string, delay time.Duration) (*wire, error) {
	links := sw.ns.links
	port, err := links.LinkByName(portName(host))
	if err != nil {
		return nil, fmt.Errorf("find the port of %s: %w", host, err)
	}
	w := &wire{}
	err = sw.ns.run(func() (err error) {
		if w.tap, err = openTapDevice(tapName(host)); err != nil {
			return err
		}
		w.port, err = openPort(port.Attrs().Index)
		return err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lay a wire for %s: %w", host, err), w.close())
	}
	tap, err := links.LinkByName(tapName(host))
	if err == nil {
		err = links.LinkSetNoMaster(port)
	}
	if err == nil {
		err = links.LinkSetMasterByIndex(tap, sw.bridge)
	}
	if err == nil {
		err = links.LinkSetUp(tap)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lay a wire for %s: %w", host, err), w.close())
	}
	w.carry(w.port, w.tap, delay)
	w.carry(w.tap, w.port, delay)
	return w, nil
}

// take removes the wire and plugs the host's cable into the switch again. What is
// under way is lost.
func (sw *exchange) take(host string, w *wire) error {
	err := w.close()
	port, failed := sw.ns.links.LinkByName(portName(host))
	if errors.As(failed, &netlink.LinkNotFoundError{}) { // the host has no power
		return err
	}
	if failed == nil {
		failed = sw.ns.links.LinkSetMasterByIndex(port, sw.bridge)
	}
	if failed != nil {
		err = errors.Join(err, fmt.Errorf("plug the cable of %s in again: %w", host, failed))
	}
	return err
}

func (w *wire) close() (err error) {
	for _, file := range []*os.File{w.port, w.tap} {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
	}
	w.end.Wait()
	return err
}

// late is a frame, and when it is to arrive.
type late struct {
	at    time.Time
	frame []byte
}

// carry hands frames on, each after the delay, until one end is closed.
func (w *wire) carry(from, to *os.File, delay time.Duration) {
	queue := make(chan late, wireFrames)
	w.end.Go(func() {
		defer close(queue)
		buffer := make([]byte, maxFrame)
		for {
			n, err := from.Read(buffer)
			if errors.Is(err, os.ErrClosed) {
				return
			}
			if err != nil || n == 0 { // a port that goes down says so once
				time.Sleep(time.Millisecond)
				continue
			}
			select {
			case queue <- late{time.Now().Add(delay), append([]byte(nil), buffer[:n]...)}:
			default:
			}
		}
	})
	w.end.Go(func() {
		for next := range queue {
			time.Sleep(time.Until(next.at))
			_, _ = to.Write(next.frame) // an end that is down takes none
		}
	})
}

// openTapDevice makes a tap in the calling thread's namespace; it goes with its descriptor.
func openTapDevice(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err == nil { // else large frames are cut up before they come out
		err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, unix.TUN_F_CSUM|unix.TUN_F_TSO4|unix.TUN_F_TSO6)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("make a tap: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// openPort opens a packet socket for what comes out of a port, and for what goes in.
func openPort(index int) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a packet socket: %w", err)
	}
	for _, option := range []int{unix.PACKET_VNET_HDR, unix.PACKET_IGNORE_OUTGOING} {
		if err == nil {
			err = unix.SetsockoptInt(fd, unix.SOL_PACKET, option, 1)
		}
	}
	if err == nil { // its own end is not the frames' destination
		err = unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP,
			&unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}) //nolint:gosec // an interface's index
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL), Ifindex: index})
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("set up a packet socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "port"), nil
}
