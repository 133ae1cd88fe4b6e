package lab

import (
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func bytesOf(text string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		panic(err)
	}
	return b
}

func frames() map[string]string {
	const v6 = "333300000001 02ba70000001 86dd 60000000 0020 3a ff 20010db8000000000000000000000010 ff020000000000000000000000000001"
	return map[string]string{
		"gratuitous request": "ffffffffffff 02ba70000001 0806 0001 0800 06 04 0001 02ba70000001 c633640a 000000000000 c633640a",
		"gratuitous reply":   "ffffffffffff 02ba70000001 0806 0001 0800 06 04 0002 02ba70000001 c633640a 02ba70000001 c633640a",
		"reply":              "02ba70000004 02ba70000001 0806 0001 0800 06 04 0002 02ba70000001 c633640a 02ba70000004 c6336464",
		"request":            "ffffffffffff 02ba70000001 0806 0001 0800 06 04 0001 02ba70000001 c633640a 000000000000 c6336464",
		"probe":              "ffffffffffff 02ba70000001 0806 0001 0800 06 04 0001 02ba70000001 00000000 000000000000 c633640a",
		"unsolicited NA":     v6 + "8800 0000 20000000 20010db8000000000000000000000010 0201 02ba70000001",
		"solicited NA":       v6 + "8800 0000 60000000 20010db8000000000000000000000010 0201 02ba70000001",
		"NS":                 v6 + "8700 0000 00000000 20010db8000000000000000000000064 0101 02ba70000001",
		"echo":               v6 + "8000 0000 00000000 20010db8000000000000000000000064 0101 02ba70000001",
	}
}

func TestParseFrame(t *testing.T) {
	v4, v6 := netip.MustParseAddr("198.51.100.10"), netip.MustParseAddr("2001:db8::10")
	want := map[string]claimed{
		"gratuitous request": {ip: v4, kind: ClaimAnnounce},
		"gratuitous reply":   {ip: v4, kind: ClaimAnnounce},
		"reply":              {ip: v4, kind: ClaimAnswer},
		"request":            {ip: v4, kind: ClaimUse},
		"unsolicited NA":     {ip: v6, kind: ClaimAnnounce},
		"solicited NA":       {ip: v6, kind: ClaimAnswer},
		"NS":                 {ip: v6, kind: ClaimUse},
	}
	for name, text := range frames() {
		t.Run(name, func(t *testing.T) {
			got, ok := parseFrame(bytesOf(text))
			expected, claims := want[name]
			switch {
			case ok != claims:
				t.Errorf("claims something: %t", ok)
			case ok && (got.ip != expected.ip || got.kind != expected.kind || got.mac.String() != "02:ba:70:00:00:01"):
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestARPFrameIsGratuitous(t *testing.T) {
	mac := net.HardwareAddr{0x02, 0xba, 0x70, 0, 0, 1}
	if got := ARPFrame(mac, netip.MustParseAddr("198.51.100.10")); !slices.Equal(got, bytesOf(frames()["gratuitous request"])) {
		t.Errorf("%x", got)
	}
}

func FuzzParseFrame(f *testing.F) {
	for _, text := range frames() {
		f.Add(bytesOf(text))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if c, ok := parseFrame(frame); ok && (!c.ip.IsValid() || len(c.mac) != 6) {
			t.Errorf("%v", c)
		}
	})
}
