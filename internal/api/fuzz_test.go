package api_test

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRequests sends anything anywhere with an administrator's token: no answer
// may be a failure of the server, and none may take a secret along.
func FuzzRequests(f *testing.F) {
	f.Add("POST", "/role", `{"role":"primary","data_sync_first":true,"force":false}`)
	f.Add("PATCH", "/settings", `{"primary_timeout":"2s","test_ips":"198.51.100.1"}`)
	f.Add("POST", "/shared-ip/enable", `{"address":"198.51.100.10/24"}`)
	f.Add("POST", "/test-ips", `{"ips":["2001:db8::1%eth0"]}`)
	f.Add("POST", "/data", `{"name":"a","kind":"dir","path":"/srv/\u0000"}`)
	f.Add("PUT", "/maintenance", `{"for":"99999999d"}`)
	f.Add("GET", "/history?since=2030-01-02T03:04:05Z&kind=a,b&limit=3", ``)
	f.Add("POST", "/backup/restore", "--x\r\n")
	f.Add("POST", "/tokens", `{"name":"a","role":"viewer","expires":"9999-12-31T23:59:59Z"}`)
	b := newBench(f)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		path, query, _ := strings.Cut(path, "?")
		if !utf8.ValidString(path) || strings.ContainsAny(path+query, " \r\n\t#%\x00") || path == "/status/stream" {
			return // not a request line that a client can send, or one without an end
		}
		if r, err := http.NewRequest(method, "http://a/api/v1"+path+"?"+query, nil); err != nil || r.URL.Path != "/api/v1"+path {
			return
		}
		w := b.ask(method, "/api/v1"+path+"?"+query, "administrator", body)
		if w.Code >= 500 && w.Code != http.StatusBadGateway {
			t.Errorf("%s %s %q: %d %s", method, path, body, w.Code, w.Body)
		}
	})
}
