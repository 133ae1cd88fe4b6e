package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
)

// keepalived is Debian's, set up as its manual does: VRRP by multicast, alpha
// with the higher priority, which takes the address back when it returns.
type keepalived struct {
	*bench
	profile profile
	daemons map[string]*lab.Process
	webs    map[string]*web
}

func (b *bench) newKeepalived(p profile) *keepalived {
	return &keepalived{bench: b, profile: p, daemons: map[string]*lab.Process{}, webs: map[string]*web{}}
}

// Priorities: alpha's, alpha's while it is to give the address away, and beta's.
const (
	highPriority  = 150
	lowPriority   = 50
	otherPriority = 100
)

const keepalivedConf = "keepalived.conf"

func (k *keepalived) configure(host *lab.Host, priority int) error {
	state := "BACKUP"
	if host.Name() == "alpha" {
		state = "MASTER"
	}
	version := 2
	if k.profile.advert < time.Second {
		version = 3 // version 2 counts whole seconds
	}
	text := fmt.Sprintf(`global_defs {
    router_id %s
    vrrp_version %d
}
vrrp_instance site {
    state %s
    interface %s
    virtual_router_id 51
    priority %d
    advert_int %g
    virtual_ipaddress {
        %s
    }
}
`, host.Name(), version, state, lab.Interface, priority, k.profile.advert.Seconds(), sharedIP())
	if err := os.WriteFile(filepath.Join(host.Dir(), keepalivedConf), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration of keepalived: %w", err)
	}
	return nil
}

// start starts the web server and the daemon, where they do not run.
func (k *keepalived) start(ctx context.Context, host *lab.Host, priority int) (err error) {
	if err := k.configure(host, priority); err != nil {
		return err
	}
	if k.webs[host.Name()] == nil {
		if k.webs[host.Name()], err = startWeb(ctx, host, k.port()); err != nil {
			return err
		}
	}
	for _, pid := range []string{"keepalived.pid", "vrrp.pid"} { // a machine's /run is empty after a boot
		if err := os.RemoveAll(filepath.Join(host.Dir(), pid)); err != nil {
			return fmt.Errorf("remove a pid file: %w", err)
		}
	}
	at := func(name string) string { return filepath.Join(k.lab.Disk(), name) }
	k.daemons[host.Name()], err = k.launch(ctx, host, lab.Cmd{Path: "keepalived", Args: []string{
		"--dont-fork", "--vrrp", "--log-console", "--no-syslog", "--use-file", at(keepalivedConf),
		"--pid", at("keepalived.pid"), "--vrrp_pid", at("vrrp.pid"),
	}})
	return err
}

func (k *keepalived) begin(ctx context.Context) error {
	for _, host := range k.hosts() {
		if err := k.start(ctx, host, k.priority(host)); err != nil {
			return err
		}
	}
	return k.steady(ctx)
}

func (b *bench) hosts() []*lab.Host { return []*lab.Host{b.lab.Host("alpha"), b.lab.Host("beta")} }

func (k *keepalived) priority(host *lab.Host) int {
	if host.Name() == "alpha" {
		return highPriority
	}
	return otherPriority
}

// steady waits until alpha, and only alpha, has the address.
func (k *keepalived) steady(ctx context.Context) error {
	return await(ctx, "alpha alone has the address, by keepalived", func() bool {
		owners, err := k.lab.Owners(sharedIP().Addr())
		return err == nil && slices.Equal(owners, []string{"alpha"})
	})
}

func (k *keepalived) port() uint16 { return sitePort }

func (k *keepalived) primary(context.Context) (*lab.Host, error) { return k.lab.Host("alpha"), nil }

// mend boots alpha anew: the shortest way back to where all began.
func (k *keepalived) mend(ctx context.Context) error {
	alpha := k.lab.Host("alpha")
	if _, err := k.lab.Heal(); err != nil {
		return err
	}
	k.down(alpha)
	if alpha.On() {
		if _, err := k.lab.PowerCut(alpha); err != nil {
			return err
		}
	}
	if _, err := k.lab.PowerOn(alpha); err != nil {
		return err
	}
	if err := await(ctx, "beta has the address, by keepalived", func() bool {
		owners, err := k.lab.Owners(sharedIP().Addr())
		return err == nil && slices.Equal(owners, []string{"beta"})
	}); err != nil {
		return err
	}
	if err := k.start(ctx, alpha, highPriority); err != nil {
		return err
	}
	return k.steady(ctx)
}

func (k *keepalived) kill(host *lab.Host) error { return lab.KillFamily(k.daemons[host.Name()].PID()) }

// down closes the web server of a host.
func (k *keepalived) down(host *lab.Host) {
	if web := k.webs[host.Name()]; web != nil {
		web.close()
		delete(k.webs, host.Name())
	}
}

// end reboots both hosts, so that nothing is left.
func (k *keepalived) end() {
	for _, host := range k.hosts() {
		k.down(host)
	}
	k.reboot()
}

// launch starts a daemon that writes its log on the host's disk.
func (b *bench) launch(ctx context.Context, host *lab.Host, cmd lab.Cmd) (*lab.Process, error) {
	log, err := os.OpenFile(filepath.Join(host.Dir(), daemon.LogFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log on %s: %w", host.Name(), err)
	}
	defer func() { _ = log.Close() }() // the daemon has its own descriptor
	cmd.Stdout, cmd.Stderr = log, log
	return host.Start(ctx, cmd)
}

// reboot keeps the logs, if they are wanted, and leaves both hosts as they were
// at first: on, with nothing running and an empty disk.
func (b *bench) reboot() {
	_, _ = b.lab.Heal()
	for _, host := range b.hosts() {
		if host.On() {
			_, _ = b.lab.PowerCut(host)
		}
		if b.opts.keep != "" {
			name := time.Now().Format("150405.000") + "-" + host.Name() + ".log"
			_ = os.Rename(filepath.Join(host.Dir(), daemon.LogFile), filepath.Join(b.opts.keep, name))
		}
		_ = empty(host.Dir())
		_, _ = b.lab.PowerOn(host)
	}
}

// empty removes what a directory holds, not the directory.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}

// lowerPriority has alpha give the address away by a lower priority.
func (k *keepalived) lowerPriority(context.Context) error {
	alpha := k.lab.Host("alpha")
	if err := k.configure(alpha, lowPriority); err != nil {
		return err
	}
	return k.daemons["alpha"].Signal(unix.SIGHUP)
}

// stopPrimary has alpha give the address away by stopping its daemon.
func (k *keepalived) stopPrimary(context.Context) error {
	_ = k.daemons["alpha"].Stop(10 * time.Second) // how it ends is not of interest
	return nil
}
