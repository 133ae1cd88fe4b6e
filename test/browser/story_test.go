//go:build e2e

package browser

import (
	"context"
	"os"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// story is two administrators' tabs, one on each appliance.
type story struct {
	*world
	a, b *tab // on alpha and beta
}

// TestTheWholeWay does with a browser what the product is for, in the order in
// which an administrator does it: two fresh appliances, a relationship, the
// settings, a power cut, the way back.
func TestTheWholeWay(t *testing.T) {
	w := freshWorld(t)
	s := &story{world: w, a: w.visit(w.alpha.Addr4()), b: w.visit(w.beta.Addr4())}
	for _, chapter := range []struct {
		name string
		tell func()
	}{
		{"set up both", s.setUpBoth},
		{"pre-shared key on both", s.saveKeys},
		{"protect the site's directory", s.protect},
		{"establish the relationship", s.establish},
		{"sync, and close the page", s.syncAndLeave},
		{"share an IP on both", s.share},
		{"configure", s.configure},
		{"test IPs", s.testIPs},
		{"the primary's power is cut", s.takeover},
		{"it comes back as the backup", s.comeBack},
		{"become primary, with a final data sync", s.handOver},
		{"break the relationship", s.breakUp},
	} {
		began := time.Now()
		chapter.tell()
		t.Logf("%-45s %5.1f s", chapter.name, time.Since(began).Seconds())
	}
}

func (s *story) setUpBoth() {
	s.a.setUp(s.alpha)
	s.b.setUp(s.beta)
	s.a.state("status-standalone")
}

// Navigate to the Management tab and then the Security page.
func (s *story) saveKeys() {
	for _, p := range []*tab{s.a, s.b} {
		p.follow("Management")
		p.follow("Security")
		if p == s.a {
			p.state("security-no-key")
		}
		p.in("Options").fill("Inter-appliance Communication Pre-shared Key", "too short")
		p.in("Options").submit("Save")
		p.sees("16 characters")
		p.in("Options").fill("Inter-appliance Communication Pre-shared Key", key)
		p.in("Options").submit("Save")
		p.sees("A key is set since", "Fingerprint")
		p.lacks(key)
	}
	s.a.state("security")
}

// protect has Baton keep the site's directory, with enough in it that the first
// sync is to be seen.
func (s *story) protect() {
	s.growSite(s.alpha, 12)
	s.a.follow("Protection")
	part := s.a.in("Protect a directory")
	part.fill("Name", "site")
	part.fill("Path", s.alpha.OnHost(daemon.SiteDir))
	part.submit("Protect")
	s.a.in("Protected data").sees(s.alpha.OnHost(daemon.SiteDir))
	s.a.state("protection")
}

// On the primary site, go to the Failover page.
func (s *story) establish() {
	s.b.open("/login/management/failover") // looks on
	s.b.sees("New Backup Site Connection Details")
	p := s.a
	p.follow("Management")
	p.follow("Failover")
	p.state("failover-standalone")
	form := p.in("New Backup Site Connection Details")
	if port := form.value("TLS Port"); port != "443" {
		s.t.Errorf("the TLS port is %q at first, wanted 443", port)
	}
	reverse := p.in("Reverse connection details to this primary site")
	if host := reverse.value("This site's host name or IP address"); host != s.alpha.Addr4().String() {
		s.t.Errorf("the reverse connection is to %q at first, wanted %s", host, s.alpha.Addr4())
	}
	form.fill("Host name or IP address", s.beta.Addr4().String())
	form.submit("Establish Relationship")
	p.sees("beta", "is replaced")
	p.state("failover-establish")
	s.b.forgive(lost()...) // its session ends with the first data sync
	p.submit("Establish Relationship")
	p.sees("This host's status", "Peer host's status", "Status history")
	s.a.state("failover-primary")
	s.synced(s.beta)
	s.b.sees("Sign in") // the users are the primary's now
	s.b.signIn(administrator)
	s.b.open("/login/management/failover")
	s.b.sees("This host's status")
	for _, tab := range []string{"Site", "Protection", "Users", "Reports"} {
		if s.b.leads(tab) || !s.a.leads(tab) {
			s.t.Errorf("tab %s: on the primary %v, on the backup %v", tab, s.a.leads(tab), s.b.leads(tab))
		}
	}
	s.b.state("failover-backup")
}

// Once a sync is in progress, you can close the page without stopping the data
// sync.
func (s *story) syncAndLeave() {
	s.synced(s.beta)
	before := s.snapshot(s.beta)
	p := s.visit(s.alpha.Addr4())
	p.signIn(administrator)
	s.limit("20Mbit") // so that there is time to look at it
	s.growSite(s.alpha, 24)
	p.open("/login/management/failover")
	p.in("Data sync").submit("Sync Now")
	p.in("Data sync").sees("Transferring", "left")
	p.state("failover-syncing")
	p.in("Data sync").sees("Transferring")
	p.close()
	s.limit("0")
	eventually(s.t, "the sync goes on without the page", 3*time.Minute, func() bool { return s.snapshot(s.beta) > before })
	eventually(s.t, "all of the site has come", 3*time.Minute, func() bool {
		_, err := os.Stat(s.beta.Path(daemon.SiteDir + "/big-23.bin"))
		return err == nil
	})
	s.synced(s.beta)
	eventually(s.t, "beta knows that there is no limit any more", patience, func() bool {
		saved, err := api.GetSettings().Call(s.t.Context(), s.beta.API, api.None{})
		return err == nil && saved.Body["bandwidth_limit"] == "0"
	})
}

// limit bounds how fast data syncs go; 0: not at all.
func (s *story) limit(rate string) {
	s.t.Helper()
	s.must(s.alpha.Do(s.t.Context(), "", "settings", "set", "bandwidth_limit="+rate))
}

func (s *story) snapshot(a *daemon.Appliance) uint64 {
	status, err := a.Status(context.Background())
	s.must(err)
	return status.Sync.Snapshot.Number
}

// synced waits until an appliance has a snapshot and no sync runs.
func (s *story) synced(a *daemon.Appliance) {
	s.t.Helper()
	eventually(s.t, a.Name()+" has a snapshot", 3*time.Minute, func() bool {
		status, err := a.Status(context.Background())
		return err == nil && status.Sync.Snapshot.Number > 0 && status.Sync.State == pair.SyncIdle
	})
}

// This must be done on both sites.
func (s *story) share() {
	for _, p := range []*tab{s.a, s.b} {
		p.open("/login/management/failover")
		p.in("Configuration").tick(sharedIP().String() + " on eth0")
		p.in("Configuration").submit("Save Changes")
		p.sees("The changes are saved.")
	}
	s.a.sees("Held by this appliance now")
	s.b.sees("Not held by this appliance now")
}

// Make sure that Enable Backup Operations is checked.
func (s *story) configure() {
	form := s.a.in("Configuration")
	form.tick("Enable Backup Operations")
	form.fill("Data-Sync Interval", "Every Day")
	form.fill("Time", "03:30")
	form.submit("Save Changes")
	s.a.sees("Next run", "03:30")
	form.fill("Data-Sync Interval", "Once a Week")
	form.fill("Day", "Sunday")
	form.fill("Data-Sync Bandwidth Limit", "80")
	form.tick("Enable Automatic Failover")
	form.fill("Primary Site Instance Timeout", "5")
	form.submit("Save Changes")
	eventually(s.t, "beta knows what was saved on alpha", patience, func() bool {
		s.b.open("/login/management/failover")
		return s.b.in("Configuration").value("Data-Sync Interval") == "Once a Week"
	})
	for label, want := range map[string]string{
		"Day": "Sunday", "Data-Sync Bandwidth Limit": "80", "Primary Site Instance Timeout": "5",
	} {
		if got := s.b.in("Configuration").value(label); got != want {
			s.t.Errorf("saved on alpha, seen on beta: %s is %q, wanted %q", label, got, want)
		}
	}
	form.fill("Data-Sync Interval", "Continuous")
	form.fill("Data-Sync Bandwidth Limit", "")
	form.submit("Save Changes")
}

// During setup, test these IPs using the Test button and save them using Save
// Changes.
func (s *story) testIPs() {
	form := s.a.in("Configuration")
	gateway := s.lab.Host("gateway").Addr4().String()
	form.fill("Network Connectivity Test IPs", gateway+"\n198.51.100.77")
	form.submit("Test")
	s.a.sees(gateway+" answers", "198.51.100.77")
	s.a.state("failover-tested")
	form.fill("Network Connectivity Test IPs", gateway)
	form.submit("Save Changes")
	if saved := form.value("Network Connectivity Test IPs"); saved != gateway {
		s.t.Errorf("saved test IPs are %q", saved)
	}
	s.a.state("failover-configured")
}

// In a failover situation the backup will continue with the failover process to
// become primary.
func (s *story) takeover() {
	s.synced(s.beta)
	s.a.open("/login/status")
	s.b.open("/login/status")
	shared := s.visit(sharedIP().Addr())
	shared.signIn(administrator)
	shared.forgive(lost()...)
	s.a.forgive(lost()...)
	s.a.state("status-primary")
	s.b.state("status-backup")
	cut := s.fault(s.lab.PowerCut(s.alpha.Host))
	s.b.seesWithin(time.Minute, "beta is the primary now; it was the backup when you opened this page")
	s.t.Logf("the backup's page tells of the takeover %s after the power was cut, with a timeout of 5 s", short(time.Since(cut)))
	s.a.sees("No contact with alpha since", "the other appliance takes over", "beta")
	shared.seesWithin(time.Minute, "You were looking at alpha. This is beta, the primary")
	shared.state("moved-shared-ip")
	s.b.state("moved-takeover")
	s.a.state("lost-takeover")
	shared.close()
}

// comeBack gives the power back: what was the primary is the backup now, and its
// page, open all the time, says so.
func (s *story) comeBack() {
	s.fault(s.lab.PowerOn(s.alpha.Host))
	s.must(s.alpha.Serve(context.Background()))
	s.a.seesWithin(2*time.Minute, "alpha is the backup now; it was the primary when you opened this page")
	s.a.state("moved-returned")
	s.b.open("/login/status")
	s.b.state("status-after-takeover")
	s.synced(s.alpha)
}

// If the primary site is still live and the data is uncorrupted, check the box to
// pull a final data sync from the primary site.
func (s *story) handOver() {
	s.must(os.WriteFile(s.beta.Path(daemon.SiteDir+"/last.txt"), []byte("written last"), 0o644))
	s.b.open("/login/management/failover")
	s.a.open("/login/management/failover")
	part := s.a.in("Become Primary")
	part.tick("Pull a final data sync from the primary site")
	part.submit("Become Primary")
	s.a.sees("Pre-flight")
	s.a.state("failover-pre-flight")
	s.a.submit("Become Primary")
	s.a.seesWithin(time.Minute, "Become Backup") // the primary's button
	s.b.sees("beta is the backup now")
	text, err := os.ReadFile(s.alpha.Path(daemon.SiteDir + "/last.txt"))
	if string(text) != "written last" {
		s.t.Errorf("the final data sync has not brought the last file: %q, %v", text, err)
	}
	s.a.state("failover-switched")
}

func (s *story) breakUp() {
	s.a.open("/login/management/failover")
	s.a.follow("Break Relationship")
	s.a.state("failover-break")
	s.a.submit("Break Relationship")
	s.a.sees("New Backup Site Connection Details")
	s.b.sees("New Backup Site Connection Details") // by itself
}
