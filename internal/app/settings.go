package app

import (
	"context"
	"log/slog"
	"net/netip"

	"baton/internal/failover"
	"baton/internal/pair"
)

// enforce has everything go by the settings in force, and is the one place that does:
// which machines are pinged, which are asked who has a shared IP, how fast data syncs
// may be, and the configuration of the decision. The agent calls it between two events.
// The schedule (next), the time zone and the site check are asked for when they are due.
func (a *Appliance) enforce(c *failover.Config) {
	s := a.settings.Get()
	test := a.outside.Of(s.TestIPs)
	a.evidence.ask(test)
	a.engine.SetLimit(s.BandwidthLimit)
	a.engine.Points.Set(s.RestorePoints)
	a.configure(c, s, test)
}

// configure fills in what the decision needs of the settings, of which test IPs are
// outside the pair, and of this machine.
func (a *Appliance) configure(c *failover.Config, s pair.Settings, test []netip.Addr) {
	c.SettingsSum = s.Sum()
	c.Timeout, c.Poll = s.PrimaryTimeout, s.Poll()
	c.TestIPs, c.Majority = len(test), s.TestIPsRequired == pair.RequireMajority
	ticked := a.ips.ticked()
	c.SharedIP, c.Ticked = len(ticked) > 0, pair.SharedIPSum(ticked)
	c.TrafficLease, c.Front = a.traffic.InForce(), a.config.Site != nil
	c.BackupOperations, c.AutomaticFailover, c.ObserveOnly = s.BackupOperations, s.AutomaticFailover, s.ObserveOnly
	c.MaxDataAge, c.SiteCheck = s.MaxDataAge, s.SiteCheck
	c.PairID, c.PeerID = "", ""
	if pinned, paired := a.link.Paired(); paired {
		c.PairID, c.PeerID = pinned.PairID, pinned.ID
	}
}

// reload brings into force what the site database says now.
func (a *Appliance) reload(ctx context.Context) error {
	saved, version, err := a.site.Settings.Get(ctx)
	if err != nil {
		return err
	}
	a.settings.Set(saved, version, a.agent.Decision().State.Record.Role)
	a.people.Security.Load(ctx)
	a.countProtected(ctx)
	a.agent.Configure(a.enforce)
	if err := a.showSite(ctx); err != nil { // no reason not to go by the settings
		a.log.Error("the site's page or certificate cannot be shown", slog.String("error", err.Error()))
	}
	return nil
}

// countProtected takes in how much is protected, for those who cannot wait for a disk.
func (a *Appliance) countProtected(ctx context.Context) {
	protected, err := a.site.Data.List(ctx)
	if err != nil {
		a.log.Error("the list of protected data cannot be read", slog.String("error", err.Error()))
		return
	}
	a.protected.Store(int64(len(protected)))
}
