package pair

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Security says who may come in to console and API, and for how long. It is
// valid for the pair. JSON names are the keys of the command line.
type Security struct {
	PasswordLength int           // least number of characters of a new password
	SessionTimeout time.Duration // a session that nobody uses for so long ends
	// ConsoleNetworks are the addresses that console and API answer; empty: all.
	// The local socket answers in any case.
	ConsoleNetworks []netip.Prefix
}

// DefaultSecurity returns what a new site starts with.
func DefaultSecurity() Security {
	return Security{PasswordLength: MinPasswordLength, SessionTimeout: 30 * time.Minute}
}

// Limits of the security options.
const (
	MinPasswordLength  = 10
	MaxPasswordLength  = 128
	MinSessionTimeout  = time.Minute
	MaxSessionTimeout  = 24 * time.Hour
	MaxConsoleNetworks = 64
)

// Admits reports whether console and API answer an address.
func (s Security) Admits(from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	return len(s.ConsoleNetworks) == 0 ||
		slices.ContainsFunc(s.ConsoleNetworks, func(network netip.Prefix) bool { return network.Contains(from) })
}

// Keys implements Keyed.
func (Security) Keys() []Key[Security] {
	return []Key[Security]{
		numberKey("password_length", "Least length of passwords", "10 to 128", func(s *Security) *int { return &s.PasswordLength }).
			within(func(s Security) bool {
				return s.PasswordLength >= MinPasswordLength && s.PasswordLength <= MaxPasswordLength
			}, "use 10 to 128 characters"),
		durationKey("session_timeout", "Session timeout", func(s *Security) *time.Duration { return &s.SessionTimeout }).
			within(func(s Security) bool {
				return s.SessionTimeout >= MinSessionTimeout && s.SessionTimeout <= MaxSessionTimeout
			}, "use 1m to 24h"),
		listKey("console_networks", "Allowed networks for the console", commasAndSpace, func(s *Security) *[]netip.Prefix { return &s.ConsoleNetworks }, netip.Prefix.String, parseNetwork).
			checked(func(s Security) error { return checkNetworks(s.ConsoleNetworks) }),
	}
}

// parseNetwork reads a network, and an address as a network of one.
func parseNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if address, wrong := netip.ParseAddr(text); wrong == nil && address.Zone() == "" {
		address = address.Unmap()
		network, err = address.Prefix(address.BitLen())
	}
	switch {
	case err != nil || network.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is not a network: write networks like 198.51.100.0/24, 2001:db8::/64", text)
	case network != network.Masked():
		return netip.Prefix{}, fmt.Errorf("%s is an address within a network: write %s for the network", text, network.Masked())
	}
	return network, nil
}

func checkNetworks(networks []netip.Prefix) error {
	if len(networks) > MaxConsoleNetworks {
		return errors.New("use at most 64 networks")
	}
	for i, network := range networks {
		if slices.Contains(networks[:i], network) {
			return fmt.Errorf("%s is listed twice: name each network once", network)
		}
	}
	return nil
}
