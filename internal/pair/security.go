package pair

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
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

// Validate returns every refused field, joined; nil if all are right.
func (s Security) Validate() error {
	var refused []error
	check := func(ok bool, field, text string) {
		if !ok {
			refused = append(refused, RefuseField(field, "%s", text))
		}
	}
	check(s.PasswordLength >= MinPasswordLength && s.PasswordLength <= MaxPasswordLength, "password_length", "use 10 to 128 characters")
	check(s.SessionTimeout >= MinSessionTimeout && s.SessionTimeout <= MaxSessionTimeout, "session_timeout", "use 1m to 24h")
	check(len(s.ConsoleNetworks) <= MaxConsoleNetworks, "console_networks", "use at most 64 networks")
	for i, network := range s.ConsoleNetworks {
		check(!slices.Contains(s.ConsoleNetworks[:i], network), "console_networks", network.String()+" is listed twice: name each network once")
	}
	return errors.Join(refused...)
}

// Admits reports whether console and API answer an address.
func (s Security) Admits(from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	return len(s.ConsoleNetworks) == 0 ||
		slices.ContainsFunc(s.ConsoleNetworks, func(network netip.Prefix) bool { return network.Contains(from) })
}

// SecurityKeys lists every key in the order in which they are shown.
func SecurityKeys() []string {
	return []string{"password_length", "session_timeout", "console_networks"}
}

// Map returns all options as text, by key.
func (s Security) Map() map[string]string {
	networks := make([]string, len(s.ConsoleNetworks))
	for i, network := range s.ConsoleNetworks {
		networks[i] = network.String()
	}
	return map[string]string{
		"password_length":  strconv.Itoa(s.PasswordLength),
		"session_timeout":  DurationText(s.SessionTimeout),
		"console_networks": strings.Join(networks, ","),
	}
}

// With returns the options with one of them changed. The result is not yet
// validated as a whole: see Validate.
func (s Security) With(key, value string) (Security, error) {
	value = strings.TrimSpace(value)
	var err error
	switch key {
	case "password_length":
		if s.PasswordLength, err = strconv.Atoi(value); err != nil {
			err = fmt.Errorf("%q is not a number: use 10 to 128", value)
		}
	case "session_timeout":
		s.SessionTimeout, err = ParseDuration(value)
	case "console_networks":
		s.ConsoleNetworks, err = parseNetworks(value)
	default:
		err = fmt.Errorf("unknown option: use one of %s", strings.Join(SecurityKeys(), ", "))
	}
	if err != nil {
		return s, RefuseField(key, "%s", err.Error())
	}
	return s, nil
}

// parseNetworks reads networks, and addresses as networks of one.
func parseNetworks(text string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(", \r\n\t", r) }) {
		network, err := netip.ParsePrefix(word)
		if address, wrong := netip.ParseAddr(word); wrong == nil && address.Zone() == "" {
			address = address.Unmap()
			network, err = address.Prefix(address.BitLen())
		}
		switch {
		case err != nil || network.Addr().Is4In6():
			return nil, fmt.Errorf("%q is not a network: write networks like 198.51.100.0/24, 2001:db8::/64", word)
		case network != network.Masked():
			return nil, fmt.Errorf("%s is an address within a network: write %s for the network", word, network.Masked())
		}
		networks = append(networks, network)
	}
	return networks, nil
}
