package pair_test

import (
	"net/netip"
	"testing"

	"baton/internal/pair"
)

// The sum of shared IPs tells other addresses apart, and neither their order nor what else
// belongs to one machine.
func TestASumOfSharedIPsIsThatOfTheirAddresses(t *testing.T) {
	ip := func(address, iface string) pair.SharedIP {
		return pair.SharedIP{Address: netip.MustParsePrefix(address), Interface: iface}
	}
	one, other := ip("198.51.100.10/24", "eth0"), ip("2001:db8::10/64", "eth0")
	sum := pair.SharedIPSum([]pair.SharedIP{one, other})
	if got := pair.SharedIPSum([]pair.SharedIP{ip("2001:db8::10/64", "eth1"), ip("198.51.100.10/25", "eth1")}); got != sum {
		t.Errorf("the same addresses have the sums %d and %d", sum, got)
	}
	for _, others := range [][]pair.SharedIP{nil, {one}, {other}, {one, ip("198.51.100.11/24", "eth0")}} {
		if pair.SharedIPSum(others) == sum {
			t.Errorf("%v have the sum of %v", others, []pair.SharedIP{one, other})
		}
	}
	if pair.SharedIPSum(nil) != 0 || pair.SharedIPSum([]pair.SharedIP{one}) == 0 {
		t.Error("0 is the sum of no address")
	}
}
