package sharedip

import (
	"net/netip"
	"testing"
	"time"

	"baton/internal/pair"
)

func TestTwoQuestionsAreASearchInVain(t *testing.T) {
	t.Parallel()
	by := search{ip: netip.MustParseAddr("198.51.100.10"), by: netip.MustParseAddr("198.51.100.1")}
	begun := time.Unix(1000, 0)
	for _, row := range []struct {
		name  string
		asked []int64 // ms
		look  int64   // ms
		want  bool
	}{
		{"never asked", nil, 0, false},
		{"asked once", []int64{0}, 10, false},
		{"asked twice at once", []int64{0, 10}, 20, false},
		{"asked again a second later", []int64{0, 1000}, 1010, true},
		{"and again", []int64{0, 1000, 2000}, 2010, true},
		{"asked twice, then answered", []int64{0, 1000}, 2600, false},
		{"asked twice, long between", []int64{0, 9000}, 9010, false},
	} {
		s := newSearches()
		for _, ms := range row.asked {
			s.note(by, begun.Add(time.Duration(ms)*time.Millisecond))
		}
		if got := s.inVain(by, begun.Add(time.Duration(row.look)*time.Millisecond)); got != row.want {
			t.Errorf("%s: in vain %t, want %t", row.name, got, row.want)
		}
	}
}

func TestGatewaySearchesInVainForAnAddressThatNobodyHas(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		a, gateway := l.station(), l.station()
		h := a.host(ip)
		a.run(h, Events{})
		for range 30 {
			a.wantLost(h, ip, gateway, answers{own: true})
			if h.SearchedInVain(ip, gateway.ownLike(ip)) {
				return
			}
		}
		t.Error("nobody has the address, and that is not seen")
	})
}

func TestGatewayFindsAnAddressThatAnotherMachineHas(t *testing.T) {
	bothVersions(t, func(l *lan, ip pair.SharedIP) {
		t := l.t
		a, gateway := l.station(), l.station()
		l.owner(ip)
		h := a.host(ip)
		a.run(h, Events{})
		for range 12 {
			a.wantLost(h, ip, gateway, answers{own: true})
			if h.SearchedInVain(ip, gateway.ownLike(ip)) {
				t.Fatal("the owner answers the gateway, but the search counts as in vain")
			}
		}
	})
}
