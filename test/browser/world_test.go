//go:build e2e

package browser

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

const (
	administrator = "admin"
	password      = "a quiet harbour 1947"
	key           = "correct horse battery staple 42"
)

// sharedIP is the address that the two appliances share.
func sharedIP() netip.Prefix { return netip.MustParsePrefix("198.51.100.10/24") }

// world is two appliances, a gateway, and a client with a browser.
type world struct {
	t           *testing.T
	lab         *lab.Lab
	alpha, beta *daemon.Appliance
	browser     context.Context
}

// freshWorld starts two daemons that nobody has set up.
func freshWorld(t *testing.T) *world {
	t.Helper()
	l, err := lab.New(context.Background(), lab.Options{Prefix: "web"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, lab: l}
	t.Cleanup(w.tell)
	w.alpha, w.beta = w.appliance("alpha"), w.appliance("beta")
	w.must(w.alpha.WriteSite())
	for _, a := range w.both() {
		w.must(a.Ready(context.Background(), time.Minute))
	}
	w.browser = openBrowser(t, l, "client")
	return w
}

// appliance starts the daemon on a host.
func (w *world) appliance(name string) *daemon.Appliance {
	w.t.Helper()
	a, err := daemon.New(w.lab, name, os.Getenv(daemon.ProgramName))
	w.must(err)
	w.t.Cleanup(a.Close)
	w.must(a.Configure(daemon.Config{Shared: []netip.Prefix{sharedIP()}, Listen: ":443"}))
	w.must(a.Serve(context.Background()))
	return a
}

// pairedWorld is a pair that was set up by commands; alpha is primary.
func pairedWorld(t *testing.T) *world {
	t.Helper()
	w := freshWorld(t)
	for _, step := range daemon.Pairing(w.alpha, w.beta, daemon.Plan{
		Password: password, Timeout: 5 * time.Second, Schedule: "continuous", // long enough for a busy machine not to take over
		TestIP: w.lab.Host("gateway").Addr4(), Shared: sharedIP().Addr(),
	}) {
		w.must(step.Do(context.Background()))
	}
	return w
}

func (w *world) both() []*daemon.Appliance { return []*daemon.Appliance{w.alpha, w.beta} }

// serves reports whether the appliance is primary, alone or with its backup.
func serves(a *daemon.Appliance) bool {
	status, err := a.Status(context.Background())
	return err == nil && status.Role == pair.Primary
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// fault returns when a fault was done; it must have been.
func (w *world) fault(at time.Time, err error) time.Time {
	w.t.Helper()
	w.must(err)
	return at
}

// tell writes what the daemons said, if the test has failed.
func (w *world) tell() {
	if !w.t.Failed() {
		return
	}
	for _, a := range w.both() {
		text, _ := os.ReadFile(a.Path(daemon.LogFile))
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		w.t.Logf("%s said:\n%s", a.Name(), strings.Join(lines[max(0, len(lines)-25):], "\n"))
	}
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(within); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}
