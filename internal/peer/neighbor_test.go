package peer

import (
	"net"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// inNamespace moves the test to a network namespace of its own, with a network
// 198.51.100.0/24 on which nobody else answers.
func inNamespace(t *testing.T) (link int) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the test
	if _, err := netns.New(); err != nil {
		t.Skipf("needs a network namespace: %v", err)
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "near"}, PeerName: "far"}
	if err := netlink.LinkAdd(veth); err != nil {
		t.Skipf("needs a veth pair: %v", err)
	}
	address, err := netlink.ParseAddr("198.51.100.1/24")
	if err != nil {
		t.Fatal(err)
	}
	near, err := netlink.LinkByName("near")
	if err != nil {
		t.Fatal(err)
	}
	far, err := netlink.LinkByName("far")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []error{netlink.AddrAdd(near, address), netlink.LinkSetUp(near), netlink.LinkSetUp(far)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	return near.Attrs().Index
}

func TestUnansweredNeighborIsAskedAnew(t *testing.T) {
	link := inNamespace(t)
	waiting := func() bool {
		entries, err := netlink.NeighList(link, netlink.FAMILY_V4)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if entry.IP.Equal(net.IPv4(198, 51, 100, 9)) && entry.State == netlink.NUD_INCOMPLETE {
				return true
			}
		}
		return false
	}
	conn, err := net.Dial("udp", "198.51.100.9:9")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the kernel waits for an answer", waiting)
	freshNeighbor("198.51.100.9:443")
	if waiting() {
		t.Error("the kernel still waits for the old question to be answered")
	}
}
