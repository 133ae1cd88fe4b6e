package support

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// NetworkText tells what this process sees of the network.
func NetworkText(context.Context) (string, error) {
	var text strings.Builder
	links, err := netlink.LinkList()
	if err != nil {
		return "", err
	}
	names := map[int]string{}
	for _, link := range links {
		a := link.Attrs()
		names[a.Index] = a.Name
		fmt.Fprintf(&text, "%d %s %s %s %s mtu %d\n", a.Index, a.Name, link.Type(), a.HardwareAddr, a.OperState, a.MTU)
		addresses, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			return text.String(), err
		}
		for _, address := range addresses {
			fmt.Fprintf(&text, "    %s flags %#x valid %s\n", address.IPNet, address.Flags, lifetime(address.ValidLft))
		}
	}
	text.WriteString("\nRoutes\n")
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return text.String(), err
	}
	for _, route := range routes {
		fmt.Fprintf(&text, "    %s via %s dev %s src %s table %d\n", destination(route.Dst), address(route.Gw), names[route.LinkIndex], address(route.Src), route.Table)
	}
	text.WriteString("\nNeighbours\n")
	neighbours, err := netlink.NeighList(0, netlink.FAMILY_ALL)
	if err != nil {
		return text.String(), err
	}
	for _, one := range neighbours {
		fmt.Fprintf(&text, "    %s is at %s dev %s state %#x\n", one.IP, one.HardwareAddr, names[one.LinkIndex], one.State)
	}
	return text.String(), nil
}

// lifetime renders what is left to an address, which the kernel counts in seconds.
func lifetime(seconds int) string {
	const forever = 1<<32 - 1
	if seconds <= 0 || seconds == forever {
		return "for ever"
	}
	return (time.Duration(seconds) * time.Second).String()
}

func destination(network *net.IPNet) string {
	if network == nil {
		return "default"
	}
	return network.String()
}

func address(ip net.IP) string {
	if ip == nil {
		return "-"
	}
	return ip.String()
}

// MachineText tells of the system that this daemon runs on.
func MachineText(dataDir string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s/%s, %d processors, pid %d, uid %d, %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), os.Getpid(), os.Getuid(), time.Now().Format(time.RFC3339))
	var disk unix.Statfs_t
	if err := unix.Statfs(dataDir, &disk); err == nil {
		unit := uint64(max(disk.Bsize, 0))
		fmt.Fprintf(&text, "%s: %d MB of %d MB free, %d of %d inodes free\n", dataDir, disk.Bavail*unit/1e6, disk.Blocks*unit/1e6, disk.Ffree, disk.Files)
	}
	for _, name := range []string{"/etc/os-release", "/proc/version", "/proc/uptime", "/proc/loadavg", "/proc/meminfo", "/proc/self/status", "/proc/self/limits", "/proc/self/cgroup", "/proc/self/mountinfo", "/proc/sys/net/ipv4/ip_nonlocal_bind"} {
		content, err := os.ReadFile(name) //nolint:gosec // names of ours
		if err != nil {
			content = []byte(err.Error() + "\n")
		}
		fmt.Fprintf(&text, "\n%s\n%s", name, content)
	}
	return text.String()
}
