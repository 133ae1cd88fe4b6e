//go:build e2e

package browser

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// opened reports whether a condition is open on the appliance.
func opened(a *daemon.Appliance, id string) bool {
	status, err := a.Status(context.Background())
	if err != nil {
		return false
	}
	for _, c := range status.Conditions {
		if c.ID == id {
			return true
		}
	}
	return false
}

// set changes a setting of the pair.
func (w *world) set(setting string) {
	w.t.Helper()
	w.must(w.alpha.Do(w.t.Context(), "", "settings", "set", setting))
}

// TestNothingIsGreenThatIsNotSo looks at the pages while something is amiss: each says so
// on top, and nothing beside it says the opposite.
func TestNothingIsGreenThatIsNotSo(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.signIn(administrator)
	amiss := func(name, path, site string) {
		t.Helper()
		p.open(path)
		p.seesWithin(patience, site)
		p.state(name)
	}
	amiss("truth-protected", "/login/status", "Up, served by alpha and protected by beta.")

	w.must(w.alpha.Do(t.Context(), "", "data", "remove", "site"))
	amiss("truth-nothing-protected", "/login/status", "Up, served by alpha; beta would take over without the site's files.")
	amiss("truth-nothing-protected-offer", "/login/protection", "The public site is not protected")
	p.submit("Protect " + w.alpha.OnHost(daemon.SiteDir))
	p.sees("is protected as")

	w.set("backup_operations=false")
	amiss("truth-operations-off", "/login/status", "Up, served by alpha; nothing protects it now.")
	w.set("backup_operations=true")

	w.must(w.alpha.Do(t.Context(), "", "settings", "set", "site_check=tcp:127.0.0.1:1", "automatic_failover=false")) // else it hands over
	amiss("truth-site-sick", "/login/status", "nothing listens there")
	w.must(w.alpha.Do(t.Context(), "", "settings", "set", "site_check=", "automatic_failover=true"))

	p.open("/login/management/failover")
	p.submit("Test")
	p.sees("From beta")
	p.state("truth-test-ips")

	w.fault(w.lab.PowerCut(w.beta.Host))
	amiss("truth-alone", "/login/status", "Up, served by alpha; nothing protects it now.")
	p.seesWithin(patience, "If this primary failed now, nothing would take over: the backup does not answer.")
}

// TestAConflictIsSaidOnEveryPage has alpha run from an older image of its disk.
func TestAConflictIsSaidOnEveryPage(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	const down = "both appliances claim data that the other does not know"
	kill := func() {
		t.Helper()
		w.must(w.alpha.Daemon().Signal(unix.SIGKILL))
		<-w.alpha.Daemon().Done()
	}
	start := func() {
		t.Helper()
		w.must(w.alpha.Serve(context.Background()))
		w.must(w.alpha.Ready(context.Background(), time.Minute))
	}
	steady := func(primary, backup *daemon.Appliance) {
		t.Helper()
		eventually(t, primary.Name()+" serves, and "+backup.Name()+" is ready", patience, func() bool {
			status, err := primary.Status(context.Background())
			return err == nil && status.Role == pair.Primary && status.Site.ProtectedBy == backup.Name()
		})
	}
	kill()
	data, kept := w.alpha.Path("data"), t.TempDir()+"/data"
	copied := func(from, to string) {
		t.Helper()
		if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
			t.Fatalf("copy: %v: %s", err, out)
		}
	}
	copied(data, kept)
	start()
	steady(w.alpha, w.beta)
	w.must(w.beta.Do(t.Context(), "", "become", "primary", "--final-sync", "--wait"))
	steady(w.beta, w.alpha)
	w.must(w.alpha.Do(t.Context(), "", "become", "primary", "--final-sync", "--wait"))
	steady(w.alpha, w.beta)
	kill()
	w.must(os.RemoveAll(data))
	copied(kept, data)
	start()
	for _, a := range w.both() {
		eventually(t, a.Name()+" tells of the conflict", patience, func() bool { return opened(a, "conflict") })
		p := w.visit(a.Addr4())
		p.signIn(administrator)
		for name, path := range map[string]string{"status": "/login/status", "failover": "/login/management/failover", "software": "/login/management/software"} {
			p.open(path)
			p.seesWithin(patience, down)
			p.state("conflict-" + a.Name() + "-" + name)
		}
	}
}
