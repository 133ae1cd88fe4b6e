package watch

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"baton/internal/config"
	"baton/internal/pair"
)

// Nowhere lists the addresses of the configuration file at which nobody can reach this machine, as no
// interface has them: each with its setting. A shared IP comes and goes.
func Nowhere(c config.Config) (settings, addresses []string) {
	here, err := net.InterfaceAddrs()
	if err != nil {
		return nil, nil // nothing is known
	}
	has := func(ip netip.Addr) bool {
		return slices.ContainsFunc(here, func(a net.Addr) bool {
			of, err := netip.ParsePrefix(a.String())
			return err == nil && (of.Addr() == ip.WithZone("") || of.Addr().IsLoopback() && of.Masked().Contains(ip))
		})
	}
	look := func(setting string, listen []string) {
		for i, address := range listen {
			at, err := netip.ParseAddrPort(address)
			if err != nil || at.Addr().IsUnspecified() || slices.ContainsFunc(c.SharedIPs, func(ip pair.SharedIP) bool { return ip.Address.Addr() == at.Addr() }) || has(at.Addr()) {
				continue
			}
			settings, addresses = append(settings, fmt.Sprintf("%s[%d]", setting, i)), append(addresses, at.Addr().String())
		}
	}
	look("listen", c.Listen)
	if c.Site != nil {
		look("site.listen", c.Site.Listen)
		look("site.listen_tls", c.Site.ListenTLS)
	}
	return settings, addresses
}

// Listening watches whether the addresses at which this daemon listens are on this machine. Its
// methods are safe for use by several goroutines.
type Listening struct {
	Config config.Config

	absent atomic.Pointer[[]string]
}

// Look finds out; a netlink request may wait for other programs that change interfaces.
func (l *Listening) Look() {
	_, absent := Nowhere(l.Config)
	l.absent.Store(&absent)
}

// Conditions tells of those that are not.
func (l *Listening) Conditions() []pair.Condition {
	absent := l.absent.Load()
	if absent == nil || len(*absent) == 0 {
		return nil
	}
	return []pair.Condition{{
		ID: "listen-address-absent", Severity: pair.Critical,
		Text:     "This machine has no interface with " + strings.Join(*absent, ", ") + ", where Baton is to listen: neither the peer nor anybody else reaches it there.",
		NextStep: "Correct listen in the configuration file (ip address lists what this machine has), and reload: systemctl reload baton; or bring the address back.",
	}}
}
