package main

import (
	"context"
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
)

// machine is one appliance with what runs on it: the daemon as a service, and
// the site's server.
type machine struct {
	appliance *daemon.Appliance
	service   service
	self      string    // this program
	program   string    // where the daemon's program is installed
	builds    [2]string // of the same program: the one that is installed, and the one that an upgrade installs

	managing sync.WaitGroup // the service manager, as long as the host has power
	off      context.CancelFunc
}

// install puts the other build in the place of the one that is installed, as a package does.
func (m *machine) install() error {
	m.builds[0], m.builds[1] = m.builds[1], m.builds[0]
	text, err := os.ReadFile(m.builds[0])
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(m.program+".new", text, 0o755), os.Rename(m.program+".new", m.program)) //nolint:gosec // a program
}

// boot starts everything on a host that has just got power.
func (m *machine) boot(ctx context.Context) error {
	ctx, m.off = context.WithCancel(ctx)
	err := m.tellName(ctx)
	if err == nil {
		_, err = m.appliance.Start(ctx, lab.Cmd{Path: m.self, Args: []string{siteCommand, m.appliance.Name(), m.appliance.OnHost(daemon.SiteDir)}})
	}
	if err == nil {
		m.service.systemd, err = startSystemd(ctx, m.appliance.Host, func() int { return m.appliance.Daemon().PID() })
	}
	if err == nil {
		err = m.appliance.Serve(ctx)
	}
	if err != nil {
		m.off()
		return err
	}
	m.managing.Go(func() { m.service.manage(ctx) })
	return nil
}

// retire ends the service manager; what runs ends with the host.
func (m *machine) retire() {
	if m.off != nil {
		m.off()
	}
	m.managing.Wait()
	m.appliance.Close()
}

// unplug takes the power; what was not durable is lost.
func (m *machine) unplug(l *lab.Lab) error {
	if !m.appliance.On() {
		return nil
	}
	m.off()
	_, err := l.PowerCut(m.appliance.Host)
	m.managing.Wait()
	return err
}

// plug gives it back and starts what ran.
func (m *machine) plug(ctx context.Context, l *lab.Lab) error {
	if m.appliance.On() {
		return nil
	}
	_, err := l.PowerOn(m.appliance.Host)
	if err != nil {
		return err
	}
	return m.boot(ctx)
}

// settle makes durable what was written to the host's disk from outside.
func (m *machine) settle() error {
	dir, err := os.Open(m.appliance.Dir())
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(dir.Fd())), dir.Close())
}

// forgetLog empties what the daemon said so far.
func (m *machine) forgetLog() error {
	if err := os.Truncate(m.appliance.Log, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
