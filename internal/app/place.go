package app

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"baton/internal/config"
	"baton/internal/pair"
)

// place is where this appliance is found, by its configuration file.
type place config.Config

// own is the address that connections to the peer start from: never the
// shared IP.
func (c place) own() netip.Addr {
	for _, listen := range c.Listen {
		if at, err := netip.ParseAddrPort(listen); err == nil && !at.Addr().IsUnspecified() && !c.managed(at.Addr()) {
			return at.Addr()
		}
	}
	return netip.Addr{}
}

// forPeer is what a new backup is told to reach this appliance at: an own
// address of listen, or the first one of this machine that is no shared IP.
func (c place) forPeer() string {
	own := c.own()
	if !own.IsValid() {
		own = c.first()
	}
	if !own.IsValid() {
		return ""
	}
	return net.JoinHostPort(own.String(), strconv.Itoa(cmp.Or(c.port(), defaultPort)))
}

// defaultPort is the TLS port of a peer.
const defaultPort = 443

func (c place) first() netip.Addr {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}
	}
	for _, one := range all {
		prefix, err := netip.ParsePrefix(one.String())
		if err == nil && prefix.Addr().IsGlobalUnicast() && !c.managed(prefix.Addr()) {
			return prefix.Addr()
		}
	}
	return netip.Addr{}
}

func (c place) managed(addr netip.Addr) bool {
	return slices.ContainsFunc(c.SharedIPs, func(ip pair.SharedIP) bool { return ip.Address.Addr() == addr })
}

// port is the one at which the peer finds us.
func (c place) port() int {
	if len(c.Listen) == 0 {
		return 0
	}
	_, port, err := net.SplitHostPort(c.Listen[0])
	if err != nil {
		return 0
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return number
}

// console is where somebody who was told looks next: the site's name leads to the
// primary, whichever that is then.
func (c place) console(hostName string) string {
	const path = "/login"
	port := ""
	if number := c.port(); number != 0 && number != 443 {
		port = ":" + strconv.Itoa(number)
	}
	if hostName != "" {
		return "https://" + hostName + port + path
	}
	if own := c.own(); own.IsValid() {
		return "https://" + strings.TrimSuffix(net.JoinHostPort(own.String(), ""), ":") + port + path
	}
	return ""
}
