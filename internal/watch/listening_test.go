package watch

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"baton/internal/config"
	"baton/internal/pair"
)

// An address of another machine is a warning, and a condition of the daemon; a shared IP, the loopback
// addresses and every address are none.
func TestAnAddressThatNoInterfaceHasIsTold(t *testing.T) {
	c := config.Default()
	c.Listen = []string{"198.51.100.7:443", "127.0.0.5:443", "[::1]:443", ":8443", "0.0.0.0:9443", "198.51.100.10:443"}
	c.SharedIPs = []pair.SharedIP{{Address: netip.MustParsePrefix("198.51.100.10/24"), Interface: "eth0"}}
	c.Site = &config.Site{ListenTLS: []string{"198.51.100.8:443"}}
	settings, addresses := Nowhere(c)
	if !slices.Equal(settings, []string{"listen[0]", "site.listen_tls[0]"}) || !slices.Equal(addresses, []string{"198.51.100.7", "198.51.100.8"}) {
		t.Errorf("%q, %q", settings, addresses)
	}
	l := &Listening{Config: c}
	l.Look()
	if told := l.Conditions(); len(told) != 1 || !strings.Contains(told[0].Text, "198.51.100.7, 198.51.100.8") {
		t.Errorf("%+v", told)
	}
	c.Listen, c.Site = c.Listen[1:], nil
	l.Config = c
	l.Look()
	if told := l.Conditions(); len(told) > 0 {
		t.Errorf("%+v", told)
	}
}
