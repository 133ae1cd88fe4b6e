//go:build e2e

package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/lab/daemon"
)

// A directory lies elsewhere on the other machine, and something of it is left out: so it stays after the roles have changed.
func TestADirectoryLiesElsewhereAndSomethingIsLeftOut(t *testing.T) {
	const here, there = "srv/app", "srv/other/app"
	w := twoDaemons(t, plan{})
	w.alpha.write(filepath.Join(here, "page"), "alpha's page")
	w.alpha.write(filepath.Join(here, "cache", "a"), "alpha's cache")
	for _, a := range w.both() {
		a.typed(key, "key set")
	}
	w.alpha.baton("data add dir site " + w.alpha.OnHost(daemon.SiteDir))
	add := "data add dir app " + w.alpha.OnHost(here) + " --exclude cache/ --peer-path " + w.beta.OnHost(there)
	w.alpha.refused(2, "establish the relationship first", add)
	w.alpha.baton("pair " + peerOf(w.beta))
	w.alpha.baton(add)
	w.alpha.baton("sync --wait")
	if !w.beta.has(filepath.Join(there, "page"), "alpha's page") || w.beta.has(filepath.Join(there, "cache", "a"), "alpha's cache") {
		t.Error("beta has not what it should have")
	}
	w.beta.write(filepath.Join(there, "cache", "b"), "beta's cache")
	w.beta.baton("become primary --final-sync --wait")
	if list := w.beta.baton("data list"); !strings.Contains(list, w.beta.OnHost(there)+" (there "+w.alpha.OnHost(here)+"), without cache/") {
		t.Errorf("beta lists %s", list)
	}
	w.beta.write(filepath.Join(there, "page"), "beta's page")
	w.beta.baton("sync --wait")
	if !w.alpha.has(filepath.Join(here, "page"), "beta's page") || !w.alpha.has(filepath.Join(here, "cache", "a"), "alpha's cache") ||
		w.alpha.has(filepath.Join(here, "cache", "b"), "beta's cache") || !w.beta.has(filepath.Join(there, "cache", "b"), "beta's cache") {
		t.Error("after the roles have changed, the machines have not what they should have")
	}
	w.beta.baton("data set app --exclude-nothing")
	w.beta.baton("sync --wait")
	if !w.alpha.has(filepath.Join(here, "cache", "b"), "beta's cache") {
		t.Error("what is left out no longer has not come")
	}
	if list := w.alpha.baton("diverged list"); !strings.Contains(list, "found-") {
		t.Errorf("what only alpha had is not set aside: %s", list)
	}
}
