package app

import (
	"time"

	"baton/internal/admin"
	"baton/internal/admin/copies"
	"baton/internal/admin/disks"
	"baton/internal/api"
	"baton/internal/signin"
	"baton/internal/status"
	"baton/internal/support"
)

// acts are what an administrator can do and see, by subject.
type acts struct {
	people        signin.Subjects
	overview      *status.Overview
	reports       *admin.Reports
	keys          *admin.Keys
	relationship  *admin.Relationship
	syncs         *admin.Syncs
	roles         *admin.Roles
	upkeep        *admin.Upkeep
	settings      *admin.Settings
	addresses     *admin.Addresses
	notifications *admin.Notifications
	site          *admin.Site
	certificates  *admin.Certificates
	data          *admin.Data
	services      *admin.Services
	diverged      *copies.Diverged
	points        *copies.Points
	backups       *support.Backups
	software      *support.Software
}

// newActs joins the acts with the parts of the appliance.
func (a *Appliance) newActs() *acts {
	audit, tasks := a.lead.Audit, admin.NewTasks(a.log)
	acts := &acts{people: a.people, overview: a.overview, notifications: a.notifications}
	acts.addresses = &admin.Addresses{
		SharedIPs: a.config.SharedIPs, Agent: a.agent, Link: a.link, Audit: audit, Local: a.local, Settings: a.settings, Host: a.host,
		Outside: a.outside, KeepOut: a.ips.keepOut, Enforce: a.enforce,
	}
	checks := &status.Checks{Overview: a.overview, Kernel: a.kernel, Permitted: acts.addresses.Permitted, TestIPs: acts.addresses.TestIPs, Data: a.site.Data.Here, Following: a.following, Databases: disks.Databases, Started: time.Now()}
	switching := &status.SwitchChecks{Checks: checks, Exchange: a.exchange.All}
	acts.syncs = &admin.Syncs{Agent: a.agent, Link: a.link, Audit: audit, Overview: a.overview, Tasks: tasks}
	acts.roles = &admin.Roles{SwitchChecks: switching, Agent: a.agent, Audit: audit, Tasks: tasks}
	acts.upkeep = &admin.Upkeep{Checks: checks, Agent: a.agent, Link: a.link, Audit: audit, Log: a.log}
	acts.settings = &admin.Settings{
		Agent: a.agent, Link: a.link, Lead: a.lead, Store: a.site, InForce: a.settings, Overview: a.overview, Outside: a.outside,
		Enforce: a.enforce, Exchange: a.exchange.All,
	}
	acts.data = &admin.Data{
		Allowing: a.allowing, Self: a.identity.ID(), DataDir: a.config.DataDir, Agent: a.agent, Link: a.link, Lead: a.lead, Store: a.site, Engine: a.engine,
		Disks: disks.New(), Count: a.countProtected, Log: a.log,
	}
	acts.services = &admin.Services{Name: a.config.Name, Local: a.local, Store: a.site, Lead: a.lead, Audit: audit, Startable: a.machine.Startable, OfSite: a.machine.OfSite, Stop: a.machine.Stop, Log: a.machine.Log, ByHand: a.machine.ByHand, Keeper: a.services, Peer: a.overview.ServicesThere}
	acts.keys = &admin.Keys{Link: a.link, Audit: audit}
	acts.relationship = &admin.Relationship{
		Name: a.config.Name, Agent: a.agent, Link: a.link, Pairing: a.link.Pairing, Audit: audit, Store: a.site, Overview: a.overview, Checks: switching, Offer: acts.data.Offer,
	}
	acts.site = &admin.Site{Config: a.config, Lead: a.lead, Store: a.site, Present: a.showSite}
	acts.certificates = &admin.Certificates{Site: acts.site, Agent: a.agent, Public: a.public}
	acts.diverged = &copies.Diverged{
		Name: a.config.Name, DataDir: a.config.DataDir, Agent: a.agent, Link: a.link, Lead: a.lead, Engine: a.engine, Copies: a.engine.Diverged, Audit: audit,
	}
	acts.points = &copies.Points{Points: a.engine.Points, Audit: audit}
	acts.reports = &admin.Reports{
		ID: a.identity.ID(), Name: a.config.Name, Agent: a.agent, Link: a.link, Store: a.site, Settings: a.settings, Overview: a.overview,
		Names: a.exchange.ReadNames, Now: time.Now,
	}
	acts.backups = &support.Backups{Name: a.config.Name, Version: a.version, Store: a.site, Lead: a.lead, Reload: a.reload}
	acts.software = &support.Software{Version: a.version, Started: a.begun, Agent: a.agent, Link: a.link, Bundle: &support.Bundle{
		Name: a.config.Name, ID: a.identity.ID(), Version: a.version, Files: a.bundleFiles(acts), Secrets: a.secrets, Audit: audit,
	}}
	return acts
}

// contract is what the faces see of them.
func (a *acts) contract() api.Backend {
	return api.Backend{
		Overview:      a.overview,
		Reports:       a.reports,
		Setup:         a.people.Setup,
		Keys:          a.keys,
		Relationship:  a.relationship,
		Syncs:         a.syncs,
		Roles:         a.roles,
		Upkeep:        a.upkeep,
		Settings:      a.settings,
		Addresses:     a.addresses,
		Notifications: a.notifications,
		Site:          a.site,
		Certificates:  a.certificates,
		Data:          a.data,
		Services:      a.services,
		Users:         a.people.Users,
		SignIn:        a.people.SignIn,
		Sessions:      a.people.Sessions,
		Account:       a.people.Account,
		Security:      a.people.Security,
		Tokens:        a.people.Tokens,
		Diverged:      a.diverged,
		Points:        a.points,
		Backups:       a.backups,
		Software:      a.software,
	}
}
