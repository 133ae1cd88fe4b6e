//go:build e2e

package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/lab"
	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// appliance is one on the lab's host whose every failure is the test's.
type appliance struct {
	*daemon.Appliance
	t  *testing.T
	id pair.ApplianceID // once somebody has asked for it
}

func newAppliance(t *testing.T, l *lab.Lab, name, program string) *appliance {
	t.Helper()
	a, err := daemon.New(l, name, program)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return &appliance{Appliance: a, t: t}
}

func (a *appliance) configure(c daemon.Config) {
	a.t.Helper()
	if err := a.Configure(c); err != nil {
		a.t.Fatal(err)
	}
}

// serve starts the daemon and waits until it answers on its socket.
func (a *appliance) serve() {
	a.t.Helper()
	a.start()
	if err := a.Ready(context.Background(), 20*time.Second); err != nil {
		a.t.Fatal(err)
	}
}

// start starts the daemon.
func (a *appliance) start() {
	a.t.Helper()
	if err := a.Serve(context.Background()); err != nil {
		a.t.Fatal(err)
	}
}

// run runs a baton command on the appliance, with something on its standard input.
func (a *appliance) run(input string, args ...string) daemon.Outcome {
	a.t.Helper()
	result, err := a.Run(context.Background(), input, args...)
	if err != nil {
		a.t.Fatal(err)
	}
	return result
}

// baton runs a command that must succeed.
func (a *appliance) baton(line string) string { a.t.Helper(); return a.typed("", line) }

// refused runs a command that must end with the code and say something of the text.
func (a *appliance) refused(code int, text, line string) {
	a.t.Helper()
	got := a.run("", strings.Fields(line)...)
	if got.Code != code || !strings.Contains(got.Errs, text) {
		a.t.Fatalf("baton %s on %s: exit code %d, %q; wanted %d and %q", line, a.Name(), got.Code, got.Errs, code, text)
	}
	a.t.Logf("baton %s on %s: exit code %d: %s", line, a.Name(), got.Code, got.Errs)
}

// ask asks the daemon how it is.
func (a *appliance) ask() (pair.Status, error) { return a.Status(context.Background()) }

// status is ask of a daemon that must answer.
func (a *appliance) status() pair.Status {
	a.t.Helper()
	status, err := a.ask()
	if err != nil {
		a.t.Fatalf("ask %s: %v", a.Name(), err)
	}
	return status
}

// is reports whether the appliance has that role and is steady in it.
func (a *appliance) is(role pair.Role) bool { return a.Is(context.Background(), role) }

// condition reports whether it is raised.
func (a *appliance) condition(id string) bool {
	status, err := a.ask()
	return err == nil && slices.ContainsFunc(status.Conditions, func(c pair.Condition) bool { return c.ID == id })
}

// events lists what the appliance's history has of the kinds; all if none is given.
func (a *appliance) events(kinds ...string) []api.Event {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	events, err := api.ListHistory().Call(ctx, a.API, api.HistoryFilter{Kinds: kinds, Limit: 10_000})
	if err != nil {
		a.t.Fatalf("history of %s: %v", a.Name(), err)
	}
	return events
}

// write writes a file on the appliance's disk, durably.
func (a *appliance) write(name, text string) {
	a.t.Helper()
	if err := a.put(name, text); err != nil {
		a.t.Fatal(err)
	}
}

func (a *appliance) put(name, text string) error {
	path := a.Path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Sync(), file.Close())
}

// site is the path of a file of the public site on the appliance's disk.
func site(name string) string { return filepath.Join(daemon.SiteDir, name) }

// has reports whether a file on the appliance's disk has that content.
func (a *appliance) has(name, text string) bool {
	content, err := os.ReadFile(a.Path(name))
	return err == nil && string(content) == text
}

// typed runs a command that must succeed, with a line typed at its prompt.
func (a *appliance) typed(input, line string) string {
	a.t.Helper()
	got := a.run(input+"\n", strings.Fields(line)...)
	if got.Code != 0 {
		a.t.Fatalf("baton %s on %s: exit code %d: %s", line, a.Name(), got.Code, got.Errs)
	}
	return got.Out
}
