package app

import (
	"net/netip"
	"strings"
	"testing"

	"baton/internal/pair"
)

// A reload takes no shared IP away, and brings none that this machine has no interface for.
func TestAReloadKeepsTheSharedIPs(t *testing.T) {
	ip := func(address, iface string) pair.SharedIP {
		return pair.SharedIP{Address: netip.MustParsePrefix(address), Interface: iface}
	}
	here, other, missing := ip("198.51.100.10/24", "lo"), ip("198.51.100.11/24", "lo"), ip("198.51.100.10/24", "eth999")
	list := func(ips ...pair.SharedIP) []pair.SharedIP { return ips }
	for name, test := range map[string]struct {
		before, next, held []pair.SharedIP
		refused            string
	}{
		"the same":                       {list(here), list(here), list(here), ""},
		"another besides":                {list(here), list(here, other), list(here), ""},
		"taken away":                     {list(here, other), list(other), list(here), "198.51.100.10/24 on lo any more"},
		"taken away, and not held":       {list(here), nil, nil, ""},
		"on an interface that is absent": {list(here), list(missing), list(here), "198.51.100.10/24 on lo any more"},
		"the same on a backup":           {list(here), list(missing), nil, "no interface eth999"},
		"absent before, too":             {list(missing), list(missing), nil, ""},
		"another network length":         {list(here), list(ip("198.51.100.10/25", "lo")), list(here), "198.51.100.10/24 on lo any more"},
	} {
		err := keepsShared(test.before, test.next, test.held)
		if test.refused == "" && err != nil || test.refused != "" && (err == nil || !strings.Contains(err.Error(), test.refused)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
