package app

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"baton/internal/failover"
	"baton/internal/pair"
)

// With them, a primary whose cable is out would take its own network to be well, and
// serve on beside its backup.
func TestAddressesOfThePairAreNoTestIPs(t *testing.T) {
	a := pairedAppliance(t, "0123456789abcdef0123456789abcdef")
	shared, err := pair.ParseSharedIP("198.51.100.10/24", "eth0")
	if err != nil {
		t.Fatal(err)
	}
	a.outside.SharedIPs = []pair.SharedIP{shared}
	ours := []string{"198.51.100.2", "::ffff:198.51.100.2", "198.51.100.10"}
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range own {
		if prefix := netip.MustParsePrefix(address.String()); !prefix.Addr().IsLoopback() {
			ours = append(ours, prefix.Addr().String())
		}
	}
	for _, ip := range ours {
		err := a.outside.Check(a.settings.Get().TestIPs, []netip.Addr{netip.MustParseAddr("198.51.100.254"), netip.MustParseAddr(ip)})
		if field, ok := errors.AsType[*pair.Refusal](err); !ok || field.Fields[0].Name != "test_ips" {
			t.Errorf("%s: %v", ip, err)
		}
	}
	if err := a.outside.Check(a.settings.Get().TestIPs, []netip.Addr{netip.MustParseAddr("198.51.100.254"), netip.MustParseAddr("2001:db8::1")}); err != nil {
		t.Error(err)
	}

	// What was saved before counts for nothing.
	saved := pair.DefaultSettings()
	saved.TestIPs = []netip.Addr{netip.MustParseAddr("198.51.100.254"), netip.MustParseAddr("198.51.100.2")}
	a.settings.Set(saved, 1, pair.Standalone)
	var c failover.Config
	a.enforce(&c)
	if c.TestIPs != 1 {
		t.Errorf("%d test IPs are asked", c.TestIPs)
	}
	found, err := a.tested().TestIPs(t.Context(), saved.TestIPs[1:])
	if err != nil || len(found) != 1 || found[0].Reachable || !strings.HasPrefix(found[0].Reason, "an address of the pair itself") {
		t.Errorf("the test of the peer's address says %+v, %v", found, err)
	}
}
