package pair

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
)

// SharedIP is one address that the pair shares: known to this machine from its
// configuration file, shared once an administrator ticks it.
type SharedIP struct {
	Address   netip.Prefix `json:"address"`   // address with the length of its network, as 198.51.100.10/24
	Interface string       `json:"interface"` // name of the interface that carries it, as eth0
}

// String renders "198.51.100.10/24 on eth0".
func (s SharedIP) String() string { return fmt.Sprintf("%s on %s", s.Address, s.Interface) }

// SharedIPSum returns a number that is the same for the same addresses, in any order; 0: there
// are none.
func SharedIPSum(ips []SharedIP) uint64 {
	if len(ips) == 0 {
		return 0
	}
	var addresses []string
	for _, ip := range ips {
		addresses = append(addresses, ip.Address.Addr().String())
	}
	slices.Sort(addresses)
	sum := fnv.New64a()
	for _, address := range addresses {
		_, _ = fmt.Fprintln(sum, address) // a hash takes all
	}
	return max(sum.Sum64(), 1)
}

// ParseSharedIP reads an address with its network length.
func ParseSharedIP(address, iface string) (SharedIP, error) {
	prefix, err := netip.ParsePrefix(address)
	if err != nil {
		return SharedIP{}, fmt.Errorf("%q is not an address with a network length: write it like 198.51.100.10/24", address)
	}
	addr := prefix.Addr()
	switch {
	case addr.IsUnspecified(), addr.IsMulticast(), addr.IsLoopback(), addr.Is4In6():
		return SharedIP{}, fmt.Errorf("%s cannot be shared: use a unicast address of the site's network", addr)
	case iface == "":
		return SharedIP{}, fmt.Errorf("shared IP %s names no interface: write interface = \"eth0\"", addr)
	}
	return SharedIP{Address: prefix, Interface: iface}, nil
}
