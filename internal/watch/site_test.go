package watch

import (
	"errors"
	"testing"

	"baton/internal/pair"
)

// TestASickSiteIsForgottenWithItsCheck replaces a check, and takes it away, as also when
// the site is not served here.
func TestASickSiteIsForgottenWithItsCheck(t *testing.T) {
	check := pair.HealthCheck{URL: "http://127.0.0.1/"}
	for name, next := range map[string]pair.HealthCheck{
		"another check": {TCP: "127.0.0.1:80"},
		"no check":      {},
	} {
		var c siteChecks
		c.renew(check)
		for range 3 {
			c.take(errors.New("gone"))
		}
		if c.renew(check); c.why == nil {
			t.Errorf("%s: forgotten although nothing has changed", name)
		}
		if c.renew(next); c.why != nil {
			t.Errorf("%s: a site that was told to be sick stays so", name)
		}
	}
}
