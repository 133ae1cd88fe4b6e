package page

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"

	"baton/internal/pair"
)

// peerLink leads to the peer's console.
func peerLink(s pair.Status) Link {
	host, port, err := net.SplitHostPort(s.Peer.Address)
	if err != nil {
		host, port = s.Peer.Address, ""
	}
	return Link{Label: cmp.Or(s.Peer.Name, host), Href: "https://" + consoleHost(host, port) + Root}
}

// sharedLinks leads to the consoles at the shared IPs that are enabled, as far as
// the TLS port listens there.
func sharedLinks(status pair.Status, listen []string) []Link {
	var links []Link
	for _, ip := range status.SharedIPs {
		prefix, err := netip.ParsePrefix(ip.Address)
		if err != nil || !ip.Shared {
			continue
		}
		if port := portAt(prefix.Addr(), listen); port != "" {
			links = append(links, Link{Label: "the shared IP " + prefix.Addr().String(), Href: "https://" + consoleHost(prefix.Addr().String(), port) + Root})
		}
	}
	return links
}

// portAt is the port that is listened to at an address; empty if there is none.
func portAt(address netip.Addr, listen []string) string {
	everywhere := ""
	for _, at := range listen {
		host, port, err := net.SplitHostPort(at)
		own, wrong := netip.ParseAddr(host)
		switch {
		case err != nil:
		case wrong == nil && own == address:
			return port
		case host == "" || wrong == nil && own.IsUnspecified():
			everywhere = cmp.Or(everywhere, port)
		}
	}
	return everywhere
}

// ownAddresses are those of this appliance at which the TLS port listens, without
// the shared IPs; where it listens everywhere, the one that a peer would use.
func ownAddresses(status pair.Status, listen []string) []netip.AddrPort {
	var own []netip.AddrPort
	for _, text := range append([]string{status.Appliance.Address}, listen...) {
		at, err := netip.ParseAddrPort(text)
		shared := slices.ContainsFunc(status.SharedIPs, func(ip pair.SharedIPStatus) bool {
			prefix, err := netip.ParsePrefix(ip.Address)
			return err == nil && prefix.Addr() == at.Addr()
		})
		if err == nil && !at.Addr().IsUnspecified() && !shared && !slices.Contains(own, at) {
			own = append(own, at)
		}
	}
	return own
}

// consoleHost is a host and port as a browser's address has it.
func consoleHost(host, port string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || port == "443" {
		return host
	}
	return host + ":" + port
}
