package pair

import "testing"

func TestParseSiteCheck(t *testing.T) {
	for text, want := range map[string]HealthCheck{
		"https://a/":              {URL: "https://a/"},
		"":                        {},
		"http://127.0.0.1/\n":     {URL: "http://127.0.0.1/"},
		"http://name":             {URL: "http://name"},
		"http://name?a=%20b":      {URL: "http://name?a=%20b"},
		"http://[::1]:8080/a?b=c": {URL: "http://[::1]:8080/a?b=c"},
		"tcp:127.0.0.1:5432":      {TCP: "127.0.0.1:5432"},
		"tcp:[::1]:25":            {TCP: "[::1]:25"},
	} {
		got, err := ParseSiteCheck(text)
		if got != want || err != nil {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if again, err := ParseSiteCheck(got.String()); again != got || err != nil {
			t.Errorf("%q comes back as %+v, %v", text, again, err)
		}
	}
	for _, text := range []string{"127.0.0.1", "ftp://127.0.0.1/", "http://", "http://u:p@127.0.0.1/", "http://127.0.0.1:0/", "tcp:127.0.0.1", "tcp::80", "tcp:a:b", "http://127.0.0.1/#a", "http://127.0.0.1/\x00", "http://[1]/", "http://[::1/", "http://a b/", "http://a/%g0", "http://a/%2", "tcp:[::1]", "tcp:a:70000", "exec:true"} {
		if got, err := ParseSiteCheck(text); err == nil {
			t.Errorf("%q is taken as %+v", text, got)
		}
	}
}
