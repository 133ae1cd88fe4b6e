package pair_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
)

func TestSecurityOptionsAsText(t *testing.T) {
	security, err := pair.With(pair.DefaultSecurity(), map[string]string{
		"password_length": " 14 ", "session_timeout": "1h", "console_networks": "198.51.100.0/24\r\n2001:db8::/64, 203.0.113.7 ",
	})
	if err != nil {
		t.Fatal(err)
	}
	text := pair.Texts(security)
	if text["password_length"] != "14" || text["session_timeout"] != "1h" || text["console_networks"] != "198.51.100.0/24,2001:db8::/64,203.0.113.7/32" {
		t.Errorf("got %v", text)
	}
	if len(text) != len(pair.Names(security)) {
		t.Errorf("%d keys as text, %d listed", len(text), len(pair.Names(security)))
	}
}

func TestWhatSecurityOptionsRefuse(t *testing.T) {
	for _, test := range []struct{ key, value, words string }{
		{"password_length", "x", "not a number"},
		{"password_length", "9", "10 to 128"},
		{"password_length", "129", "10 to 128"},
		{"session_timeout", "30", "not a duration"},
		{"session_timeout", "59s", "1m to 24h"},
		{"session_timeout", "25h", "1m to 24h"},
		{"console_networks", "198.51.100.7/24", "write 198.51.100.0/24"},
		{"console_networks", "lan", "not a network"},
		{"console_networks", "::ffff:198.51.100.0/120", "not a network"},
		{"console_networks", "fe80::1%eth0", "not a network"},
		{"console_networks", "198.51.100.1 198.51.100.1/32", "twice"},
		{"console_networks", strings.Repeat("198.51.100.0/24,", 65), "at most 64"},
		{"colour", "red", "unknown key"},
	} {
		_, err := pair.With(pair.DefaultSecurity(), map[string]string{test.key: test.value})
		if err == nil || !strings.Contains(err.Error(), test.words) || !strings.HasPrefix(err.Error(), test.key+": ") {
			t.Errorf("%s=%s: got %v, want %q", test.key, test.value, err, test.words)
		}
	}
}

func TestWhichAddressesAreAdmitted(t *testing.T) {
	open := pair.DefaultSecurity()
	closed, err := pair.With(open, map[string]string{"console_networks": "198.51.100.0/24 2001:db8::/64"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"198.51.100.7": true, "::ffff:198.51.100.7": true, "198.51.101.7": false,
		"2001:db8::1": true, "2001:db8:0:1::1": false, "127.0.0.1": false,
	} {
		from := netip.MustParseAddr(address)
		if closed.Admits(from) != want || !open.Admits(from) {
			t.Errorf("%s: %v", address, closed.Admits(from))
		}
	}
	if closed.Admits(netip.Addr{}) {
		t.Error("nobody knows from where, and it is admitted")
	}
	if open.SessionTimeout != 30*time.Minute {
		t.Errorf("got %v", open.SessionTimeout)
	}
}
