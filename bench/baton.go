package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/lab"
	"baton/internal/pair"
)

// baton is a pair of appliances, set up by the commands that a person would type.
type baton struct {
	*bench
	profile    profile
	schedule   string // of the data syncs
	appliances []*appliance
}

// appliance is one host with the daemon on it.
type appliance struct {
	*lab.Host
	socket *api.Client
	daemon *lab.Process
}

func (b *bench) newBaton(p profile) *baton {
	return &baton{bench: b, profile: p, schedule: "continuous"}
}

const (
	configFile = "baton.toml"
	socketFile = "baton.sock"
	siteDir    = "site"
)

// status asks the daemon how it is; one that hangs must not hang the caller.
func (a *appliance) status(ctx context.Context) (pair.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return a.socket.Status(ctx)
}

// at is a path on an appliance's disk, as its own programs see it.
func (p *baton) at(name string) string { return filepath.Join(p.lab.Disk(), name) }

func (p *baton) configure(a *appliance) error {
	level := "info"
	if p.opts.keep != "" {
		level = "debug"
	}
	text := fmt.Sprintf(`name      = %q
data_dir  = %q
listen    = ["%s:443"]
socket    = %q
log_level = %q

[[shared_ip]]
address   = %q
interface = %q

[site]
root   = %q
listen = [":80"]
`, a.Name(), p.at("data"), a.Addr4(), p.at(socketFile), level, sharedIP(), lab.Interface, p.at(siteDir))
	if err := os.WriteFile(filepath.Join(a.Dir(), configFile), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration of %s: %w", a.Name(), err)
	}
	return nil
}

func (p *baton) serve(ctx context.Context, a *appliance) (err error) {
	a.daemon, err = p.launch(ctx, a.Host, lab.Cmd{
		Path: p.program, Args: []string{"serve", "--config", p.at(configFile)},
	})
	return err
}

// command runs a baton command on the appliance.
func (p *baton) command(ctx context.Context, a *appliance, input string, args ...string) error {
	_, err := a.Output(ctx, lab.Cmd{
		Path: p.program, Args: append(args, "--config", p.at(configFile)), Stdin: strings.NewReader(input + "\n"),
	})
	if err != nil {
		return fmt.Errorf("baton %s on %s: %w", strings.Join(args, " "), a.Name(), err)
	}
	return nil
}

func (p *baton) begin(ctx context.Context) error {
	for _, host := range p.hosts() {
		socket, err := api.NewClient(api.ClientOptions{Socket: filepath.Join(host.Dir(), socketFile)})
		if err != nil {
			return err
		}
		a := &appliance{Host: host, socket: socket}
		p.appliances = append(p.appliances, a)
		if err := errors.Join(p.configure(a), p.serve(ctx, a)); err != nil {
			return err
		}
	}
	if err := writeSite(filepath.Join(p.appliances[0].Dir(), siteDir)); err != nil {
		return err
	}
	for _, a := range p.appliances {
		if err := await(ctx, a.Name()+" answers on its socket", func() bool { _, err := a.status(ctx); return err == nil }); err != nil {
			return err
		}
	}
	if err := p.setUp(ctx); err != nil {
		return err
	}
	return p.steady(ctx)
}

// setUp makes a pair of the two daemons.
func (p *baton) setUp(ctx context.Context) error {
	alpha, beta := p.appliances[0], p.appliances[1]
	password, key := rand.Text(), rand.Text()
	enable := "shared-ip enable " + sharedIP().Addr().String()
	for _, step := range []struct {
		on          *appliance
		input, args string
	}{
		{alpha, password, "setup --user admin"},
		{beta, password, "setup --user admin"},
		{alpha, key, "key set"},
		{beta, key, "key set"},
		{alpha, "", "data add dir site " + p.at(siteDir)},
		{alpha, "", fmt.Sprintf("settings set primary_timeout=%s test_ips=%s automatic_failover=true sync_schedule=%s",
			p.profile.timeout, p.lab.Host("gateway").Addr4(), p.schedule)},
		{alpha, "", enable},
		{alpha, "", "pair " + netip.AddrPortFrom(beta.Addr4(), 443).String()},
		{beta, "", enable},
		{alpha, "", "sync --wait"},
	} {
		if err := p.command(ctx, step.on, step.input, strings.Fields(step.args)...); err != nil {
			return err
		}
	}
	return nil
}

// writeSite makes a small site.
func writeSite(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "pages"), 0o755); err != nil { //nolint:gosec // a public site
		return fmt.Errorf("make the site: %w", err)
	}
	files := map[string]string{"index.html": indexPage}
	for i := range 20 {
		files[fmt.Sprintf("pages/%02d.txt", i)] = strings.Repeat(fmt.Sprintf("page %d\n", i), 500)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { //nolint:gosec // a public site
			return fmt.Errorf("make the site: %w", err)
		}
	}
	return nil
}

// steady waits until one is primary and the other is a backup that could take over.
func (p *baton) steady(ctx context.Context) error {
	return await(ctx, "one appliance is primary, the other a backup that could take over", func() bool {
		roles := map[pair.Role]int{}
		for _, a := range p.appliances {
			status, err := a.status(ctx)
			if err != nil || status.State != pair.Steady || hinders(status.Conditions) {
				return false
			}
			roles[status.Role]++
		}
		return roles[pair.Primary] == 1 && roles[pair.Backup] == 1
	})
}

// hinders reports whether one of the conditions keeps a backup from taking over.
func hinders(conditions []pair.Condition) bool {
	return slices.ContainsFunc(conditions, func(c pair.Condition) bool { return c.Severity != pair.Info })
}

func (p *baton) primary(ctx context.Context) (*lab.Host, error) {
	a, err := p.find(ctx, pair.Primary)
	if err != nil {
		return nil, err
	}
	return a.Host, nil
}

// find returns the appliance that has the role.
func (p *baton) find(ctx context.Context, role pair.Role) (*appliance, error) {
	for _, a := range p.appliances {
		status, err := a.status(ctx)
		if err == nil && status.Role == role {
			return a, nil
		}
	}
	return nil, fmt.Errorf("no appliance is %s", role)
}

// mend undoes the fault, whichever it was, and lets Baton find back by itself.
func (p *baton) mend(ctx context.Context) error {
	if _, err := p.lab.Heal(); err != nil {
		return err
	}
	for _, a := range p.appliances {
		if err := p.mendOne(ctx, a); err != nil {
			return err
		}
	}
	for _, a := range p.appliances {
		// Automatic failover pauses after three takeovers in an hour.
		if err := await(ctx, a.Name()+" resumes", func() bool { return a.socket.Resume(ctx) == nil }); err != nil {
			return err
		}
	}
	return p.steady(ctx)
}

func (p *baton) mendOne(ctx context.Context, a *appliance) error {
	if !a.On() {
		if _, err := p.lab.PowerOn(a.Host); err != nil {
			return err
		}
	}
	if _, err := p.lab.PlugCable(a.Host); err != nil {
		return err
	}
	if _, err := p.lab.Resume(a.Host); err != nil {
		return err
	}
	select {
	case <-a.daemon.Done():
		return p.serve(ctx, a)
	default:
		return nil
	}
}

func (p *baton) kill(host *lab.Host) error {
	i := slices.IndexFunc(p.appliances, func(a *appliance) bool { return a.Host == host })
	return killFamily(p.appliances[i].daemon.PID())
}

// handOver switches the roles, after a final data sync.
func (p *baton) handOver(ctx context.Context) error {
	backup, err := p.find(ctx, pair.Backup)
	if err != nil {
		return err
	}
	return p.command(ctx, backup, "", "become", "primary", "--final-sync", "--wait")
}

// end leaves both hosts as they were.
func (p *baton) end() {
	for _, a := range p.appliances {
		a.socket.Close()
	}
	p.appliances = nil
	p.reboot()
}
