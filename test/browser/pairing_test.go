//go:build e2e

package browser

import "testing"

// TestAFailedPairingSaysWhy looks at what an administrator meets who has another key,
// or names a machine at which nobody answers: a sentence, the way to mend it, and what
// the network said behind Details.
func TestAFailedPairingSaysWhy(t *testing.T) {
	full(t)
	w := freshWorld(t)
	for _, a := range w.both() {
		w.must(a.Do(t.Context(), password, "setup", "--user", administrator))
	}
	w.must(w.alpha.Do(t.Context(), key, "key", "set"))
	w.must(w.beta.Do(t.Context(), "another key than the one of alpha", "key", "set"))
	p := w.visit(w.alpha.Addr4())
	p.signIn(administrator)
	for _, try := range []struct{ host, says, state string }{
		{w.beta.Addr4().String(), "the key here has the fingerprint", "pair-wrong-key"},
		{"https://" + w.beta.Addr4().String() + ":1/login", "nothing listens there", "pair-nobody"},
		{"198.51.100.300", "is no IP address", "pair-no-address"},
	} {
		p.open("/login/management/failover")
		part := p.in("New Backup Site Connection Details")
		part.fill("Host name or IP address", try.host)
		part.submit("Establish Relationship")
		p.sees(try.says)
		p.state(try.state)
	}
	p.lacks("dial tcp", "connection refused")
	p.open("/login/management/failover")
	p.press("button", "Details")
	p.sees("connection refused")
	p.state("pair-details")
}
