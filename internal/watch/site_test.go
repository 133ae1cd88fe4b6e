package watch

import (
	"errors"
	"testing"

	"baton/internal/pair"
)

func TestASiteIsSickAfterThreeFailuresInARow(t *testing.T) {
	gone := errors.New("gone")
	var c siteChecks
	for i, step := range []struct {
		failed error
		tell   bool
		sick   bool
	}{
		{gone, false, false},
		{gone, false, false},
		{nil, false, false}, // one answer in between begins anew
		{gone, false, false},
		{gone, false, false},
		{gone, true, true},
		{gone, true, true}, // as long as it lasts
		{nil, false, true},
		{gone, true, true},
		{nil, false, true},
		{nil, true, false},
		{nil, false, false},
	} {
		why, tell := c.take(step.failed)
		if tell != step.tell || c.sick != step.sick || tell && (why != nil) != step.sick {
			t.Errorf("step %d: told %v (%v), sick %v", i, tell, why, c.sick)
		}
	}
}

// TestASickSiteIsForgottenWithItsCheck replaces a check, and takes it away, as also when
// the site is not served here: what was told of the site before is then taken back, once.
func TestASickSiteIsForgottenWithItsCheck(t *testing.T) {
	check := pair.SiteCheck{URL: "http://127.0.0.1/"}
	for name, next := range map[string]pair.SiteCheck{
		"another check": {TCP: "127.0.0.1:80"},
		"no check":      {},
	} {
		var c siteChecks
		if c.renew(check) {
			t.Errorf("%s: a new check takes back what nobody told", name)
		}
		for range sickAfter {
			_, _ = c.take(errors.New("gone"))
		}
		if c.renew(check) || !c.sick {
			t.Errorf("%s: forgotten although nothing has changed", name)
		}
		if !c.renew(next) {
			t.Errorf("%s: a site that was told to be sick stays so", name)
		}
		if c.renew(next) {
			t.Errorf("%s: taken back again", name)
		}
	}
}
