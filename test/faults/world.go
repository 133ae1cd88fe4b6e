package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

const (
	diskSize  = 256 << 20
	setupTime = 60 * time.Second // bounds each wait while the pair is made
	askEvery  = 15 * time.Millisecond
	lookEvery = 10 * time.Millisecond
)

// sharedIP is the address that the two share.
func sharedIP() netip.Prefix { return netip.MustParsePrefix("198.51.100.10/24") }

// world is a pair with everybody who watches it.
type world struct {
	lab         *lab.Lab
	alpha, beta *machine
	visitor     *visitor
	epoch       uint64 // when both were steady last
	watcher     *lab.Watcher
	stop        context.CancelFunc
	watching    sync.WaitGroup
	ids         []pair.ApplianceID
}

func (w *world) both() []*machine { return []*machine{w.alpha, w.beta} }

// newWorld makes a pair under the timeout; the daemons' logs go to dir.
func newWorld(ctx context.Context, builds [2]string, dir string, timeout time.Duration) (_ *world, err error) {
	hosts := append(lab.Cast(), lab.Spec("observer", "198.51.100.101/24"))
	for i := range hosts[:2] {
		hosts[i].Disk = diskSize
	}
	l, err := lab.New(ctx, lab.Options{Prefix: "faults", Hosts: hosts})
	if err != nil {
		return nil, err
	}
	w := &world{lab: l}
	ctx, w.stop = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	for _, m := range []**machine{&w.alpha, &w.beta} {
		name := "alpha"
		if w.alpha != nil {
			name = "beta"
		}
		if *m, err = newMachine(l, name, builds, dir); err != nil {
			return nil, err
		}
	}
	if err := w.alpha.appliance.WriteSite(); err != nil {
		return nil, err
	}
	if _, err := w.alpha.database(ctx, "make"); err != nil {
		return nil, err
	}
	if err := w.establish(ctx, timeout); err != nil {
		return nil, err
	}
	if err := w.hire(ctx, dir); err != nil {
		return nil, err
	}
	return w, w.observe(ctx)
}

func newMachine(l *lab.Lab, name string, builds [2]string, dir string) (*machine, error) {
	program := filepath.Join(dir, name+"-baton")
	a, err := daemon.New(l, name, program)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a.Log = filepath.Join(dir, name+".log")
	a.Env = []string{"INVOCATION_ID=" + name}                          // systemd starts it
	if err := os.MkdirAll(a.Path(daemon.SiteDir), 0o755); err != nil { //nolint:gosec // a public site
		return nil, err
	}
	m := &machine{appliance: a, service: service{appliance: a}, self: self, program: program, builds: [2]string{builds[1], builds[0]}}
	if err := m.install(); err != nil {
		return nil, err
	}
	return m, a.Configure(daemon.Config{Shared: []netip.Prefix{sharedIP()}})
}

// establish starts both and makes a pair of them, as a person would.
func (w *world) establish(ctx context.Context, timeout time.Duration) error {
	for _, m := range w.both() {
		if err := m.settle(); err != nil {
			return err
		}
		if err := m.boot(ctx); err != nil {
			return err
		}
		if err := m.appliance.Ready(ctx, setupTime); err != nil {
			return err
		}
	}
	steps := daemon.Pairing(w.alpha.appliance, w.beta.appliance, daemon.Plan{
		Password: rand.Text(), Timeout: timeout, Schedule: "continuous",
		TestIP: w.lab.Host("gateway").Addr4(), Shared: sharedIP().Addr(),
	})
	// So that a data sync of some megabytes lasts long enough to be struck.
	steps = append(steps, daemon.Step{On: w.alpha.appliance, Line: "settings set bandwidth_limit=20MB"},
		daemon.Step{On: w.alpha.appliance, Line: "data add sqlite numbers " + w.alpha.appliance.OnHost(daemon.SiteDir+"/"+databaseName)})
	for _, step := range steps {
		if err := step.Do(ctx); err != nil {
			return fmt.Errorf("make the pair: %w", err)
		}
	}
	for _, m := range w.both() {
		status, err := m.appliance.Status(ctx)
		if err != nil {
			return fmt.Errorf("make the pair: %w", err)
		}
		w.ids = append(w.ids, status.Appliance.ID)
	}
	return nil
}

// observe starts the visitor and those who look who owns the address.
func (w *world) observe(ctx context.Context) (err error) {
	ip := sharedIP().Addr()
	if w.watcher, err = w.lab.Watch(ip); err != nil {
		return err
	}
	w.visitor = &visitor{from: w.lab.Host("client"), target: netip.AddrPortFrom(ip, sitePort)}
	w.watching.Go(func() { w.visitor.run(ctx) })
	w.watching.Go(func() { _ = w.watcher.Run(ctx) })
	w.watching.Go(func() { _ = w.lab.Ask(ctx, w.lab.Host("observer"), ip, askEvery) })
	return nil
}

// close ends everything.
func (w *world) close() error {
	w.stop()
	w.watching.Wait()
	for _, m := range w.both() {
		if m != nil {
			m.retire()
		}
	}
	err := w.lab.Close()
	for _, id := range w.ids {
		removeGroups(id)
	}
	return err
}

// roles says who is primary and who is backup, both steady, in the same epoch;
// if not so, why not.
func (w *world) roles(ctx context.Context) (primary, backup *machine, why string) {
	var statuses []pair.Status
	var reasons []string
	for _, m := range w.both() {
		status, err := m.appliance.Status(ctx)
		switch {
		case err != nil:
			reasons = append(reasons, m.appliance.Name()+" does not answer: "+err.Error())
			continue
		case status.Role == pair.Primary && status.State == pair.Steady:
			primary = m
		case status.Role == pair.Backup && status.State == pair.Steady:
			backup = m
		}
		statuses = append(statuses, status)
		reasons = append(reasons, fmt.Sprintf("%s is %s %s %s%s", m.appliance.Name(), status.Role, status.State, status.Epoch, named(status.Conditions)))
	}
	if primary != nil && backup != nil && statuses[0].Epoch == statuses[1].Epoch {
		w.epoch = statuses[0].Epoch.Counter
		return primary, backup, ""
	}
	return nil, nil, strings.Join(reasons, "; ")
}

// named lists the conditions' ids.
func named(conditions []pair.Condition) string {
	var text strings.Builder
	for _, c := range conditions {
		fmt.Fprintf(&text, " [%s]", c.ID)
	}
	return text.String()
}

// protected reports whether the backup could take over, with young data; if not, why not.
func (w *world) protected(ctx context.Context) (why string) {
	primary, backup, why := w.roles(ctx)
	if why != "" {
		return why
	}
	for _, m := range []*machine{primary, backup} {
		status, err := m.appliance.Status(ctx)
		if err != nil {
			return m.appliance.Name() + " does not answer: " + err.Error()
		}
		if status.Readiness == nil || !status.Readiness.Ready {
			return m.appliance.Name() + " shows" + named(status.Conditions)
		}
		if m == backup && (status.Sync.DataAgeMS < 0 || status.Sync.DataAgeMS > freshData.Milliseconds()) {
			return fmt.Sprintf("the data of %s is %d ms old: %s", m.appliance.Name(), status.Sync.DataAgeMS, status.Sync.Error)
		}
	}
	return ""
}

// freshData is how old the backup's data may be when a round begins.
const freshData = 3 * time.Second
