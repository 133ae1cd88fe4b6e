package pair

import (
	"errors"
	"strings"
	"testing"
)

func TestSiteRefusesWhatCannotBeShown(t *testing.T) {
	for key, values := range map[string][]string{
		"host_name": {
			"https://www.example.org", "www.example.org:443", "www..org", ".org", "www.", "-a.org", "a-.org", "a b.org", "*.example.org",
			"198.51.100.1", "2001:db8::1", "example.123", "münchen.de", "a\r\nSet-Cookie: x=1", "a\nb.org", "a;b", "a/b", "a_b.org",
			strings.Repeat("a", 64) + ".org", strings.Repeat("a.", 127) + "org", "www.example.org\x00",
		},
		"name":    {"two\nlines", "bell\a", "\x80", strings.Repeat("ü", MaxSiteName+1), "a\u0085b"},
		"title":   {"two\nlines", "tab\there", strings.Repeat("x", MaxSiteTitle+1)},
		"message": {"bell\a", "\xff", "escape\x1b[31m", strings.Repeat("x", MaxSiteMessage+1)},
	} {
		for _, value := range values {
			_, err := With(Site{}, map[string]string{key: value})
			if refused, ok := errors.AsType[*Refusal](err); !ok || refused.Fields[0].Name != key {
				t.Errorf("%s=%q: %v", key, value, err)
			}
		}
	}
	if _, err := With(Site{}, map[string]string{"colour": "red"}); err == nil {
		t.Error("an unknown key was taken")
	}
}

func TestSiteKeepsWhatPeopleWrite(t *testing.T) {
	site, err := With(Site{}, map[string]string{
		"name": "  Grüße & <Söhne> ", "host_name": "WWW.Example.ORG", "title": "帮助台", "message": "One.\r\n\r\nTwo.\n",
	})
	want := Site{Name: "Grüße & <Söhne>", HostName: "www.example.org", Title: "帮助台", Message: "One.\n\nTwo."}
	if site != want || err != nil {
		t.Errorf("got %+v, %v", site, err)
	}
	for _, name := range []string{"", "localhost", "xn--mnchen-3ya.de", "a.b-c.d1.example", "4u.example"} {
		if err := Check(Site{HostName: name}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func FuzzSiteHostName(f *testing.F) {
	f.Add("www.example.org")
	f.Add("a\r\nb")
	f.Fuzz(func(t *testing.T, name string) {
		site, err := With(Site{}, map[string]string{"host_name": name})
		if err == nil && strings.ContainsFunc(site.HostName, func(r rune) bool { return r != '.' && notOfHost(r) }) {
			t.Errorf("%q passed", name)
		}
	})
}
