package page

import "testing"

func TestNoLinkLeadsAwayThroughUs(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"https://evil.example/", "//evil.example", "/login//evil.example", "/login/\\evil.example", "/elsewhere", "/login/a\r\nb", "", "/login/../evil", "/login/%2e%2E/evil", "/login/.", "/login/%"} {
		if got := LocalPath(address); got != "/status" {
			t.Errorf("%q leads to %q", address, got)
		}
	}
	if got := LocalPath("/login/users?a=b"); got != "/users?a=b" {
		t.Errorf("a page of ours leads to %q", got)
	}
}
