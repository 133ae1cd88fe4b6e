package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"baton/internal/api"
	"baton/internal/lab"
	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// baton is a pair of appliances, set up by the commands that a person would type.
type baton struct {
	*bench
	profile    profile
	schedule   string // of the data syncs
	server     bool   // the site's server is another program
	appliances []*daemon.Appliance
	webs       []*web
}

// Where the site is served: by Baton and beside keepalived, and by another program beside Baton.
const (
	sitePort  = 80
	otherPort = 8080
)

func (p *baton) port() uint16 {
	if p.server {
		return otherPort
	}
	return sitePort
}

func (b *bench) newBaton(p profile) *baton {
	return &baton{bench: b, profile: p, schedule: "continuous"}
}

func (p *baton) begin(ctx context.Context) error {
	config := daemon.Config{Shared: []netip.Prefix{sharedIP()}}
	if p.opts.keep != "" {
		config.LogLevel = "debug"
	}
	for _, host := range p.hosts() {
		a, err := daemon.New(p.lab, host.Name(), p.program)
		if err != nil {
			return err
		}
		p.appliances = append(p.appliances, a)
		if err := errors.Join(a.Configure(config), a.Serve(ctx)); err != nil {
			return err
		}
	}
	if err := p.startServers(ctx); err != nil {
		return err
	}
	if err := p.appliances[0].WriteSite(); err != nil {
		return err
	}
	for _, a := range p.appliances {
		if err := a.Ready(ctx, limit); err != nil {
			return err
		}
	}
	for _, step := range p.steps() {
		if err := step.Do(ctx); err != nil {
			return err
		}
	}
	return p.steady(ctx)
}

// startServers starts the other program on both hosts, if the site is its own.
func (p *baton) startServers(ctx context.Context) error {
	if !p.server {
		return nil
	}
	for _, host := range p.hosts() {
		web, err := startWeb(ctx, host, otherPort)
		if err != nil {
			return err
		}
		p.webs = append(p.webs, web)
	}
	return nil
}

// steps are the commands that make a pair of the two daemons.
func (p *baton) steps() []daemon.Step {
	return daemon.Pairing(p.appliances[0], p.appliances[1], daemon.Plan{
		Password: rand.Text(), Timeout: p.profile.timeout, Schedule: p.schedule,
		TestIP: p.lab.Host("gateway").Addr4(), Shared: sharedIP().Addr(),
	})
}

// steady waits until one is primary and the other is a backup that could take over.
func (p *baton) steady(ctx context.Context) error {
	return await(ctx, "one appliance is primary, the other a backup that could take over", func() bool {
		roles := map[pair.Role]int{}
		for _, a := range p.appliances {
			status, err := a.Status(ctx)
			if err != nil || status.State != pair.Steady || status.Readiness == nil || !status.Readiness.Ready {
				return false
			}
			roles[status.Role]++
		}
		return roles[pair.Primary] == 1 && roles[pair.Backup] == 1
	})
}

func (p *baton) primary(ctx context.Context) (*lab.Host, error) {
	a, err := p.find(ctx, pair.Primary)
	if err != nil {
		return nil, err
	}
	return a.Host, nil
}

// find returns the appliance that has the role.
func (p *baton) find(ctx context.Context, role pair.Role) (*daemon.Appliance, error) {
	for _, a := range p.appliances {
		status, err := a.Status(ctx)
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
		if err := await(ctx, a.Name()+" resumes", func() bool { return api.Resume().Do(ctx, a.API, api.None{}) == nil }); err != nil {
			return err
		}
	}
	return p.steady(ctx)
}

func (p *baton) mendOne(ctx context.Context, a *daemon.Appliance) error {
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
	case <-a.Daemon().Done():
		return a.Serve(ctx)
	default:
		return nil
	}
}

func (p *baton) kill(host *lab.Host) error {
	i := slices.IndexFunc(p.appliances, func(a *daemon.Appliance) bool { return a.Host == host })
	return lab.KillFamily(p.appliances[i].Daemon().PID())
}

// handOver switches the roles, after a final data sync.
func (p *baton) handOver(ctx context.Context) error {
	backup, err := p.find(ctx, pair.Backup)
	if err != nil {
		return err
	}
	return backup.Do(ctx, "", "become", "primary", "--final-sync", "--wait")
}

// reloadPrimary has the installed program take the place of the primary's daemon.
func (p *baton) reloadPrimary(ctx context.Context) error {
	primary, err := p.find(ctx, pair.Primary)
	if err != nil {
		return err
	}
	return primary.Do(ctx, "", "reload")
}

// stopPrimary stops the primary's daemon, which hands over first.
func (p *baton) stopPrimary(ctx context.Context) error {
	primary, err := p.find(ctx, pair.Primary)
	if err != nil {
		return err
	}
	return primary.Daemon().Signal(unix.SIGTERM)
}

// end leaves both hosts as they were.
func (p *baton) end() {
	for _, a := range p.appliances {
		a.Close()
	}
	for _, web := range p.webs {
		web.close()
	}
	p.appliances, p.webs = nil, nil
	p.reboot()
}
