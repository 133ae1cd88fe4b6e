package app

import (
	"net/netip"
	"strings"
	"testing"

	"baton/internal/pair"
	"baton/internal/store/local"
)

// TestAnInterfaceThatIsNotThereIsNamed has the links of this machine told without that of a
// shared IP.
func TestAnInterfaceThatIsNotThereIsNamed(t *testing.T) {
	b := withUsers(t)
	address := netip.MustParsePrefix("198.51.100.10/24")
	ips := &addresses{local: b.local, managed: []pair.SharedIP{{Address: address, Interface: "eth9"}}}
	ips.linked(map[string]bool{"eth0": true})
	if found := ips.Conditions(); len(found) != 0 {
		t.Errorf("not enabled: %+v", found)
	}
	if err := b.local.Save(t.Context(), func(s *local.State) { s.SharedIPs = []string{address.Addr().String()} }); err != nil {
		t.Fatal(err)
	}
	found := ips.Conditions()
	if len(found) != 1 || found[0].ID != "shared-ip-no-interface" || !strings.Contains(found[0].Text, "eth9") {
		t.Errorf("got %+v", found)
	}
	ips.linked(map[string]bool{"eth0": true, "eth9": false}) // that is the cable
	if found := ips.Conditions(); len(found) != 0 {
		t.Errorf("it is there: %+v", found)
	}
}
