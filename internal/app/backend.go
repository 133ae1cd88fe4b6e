package app

import (
	"baton/internal/admin"
	"baton/internal/api"
	"baton/internal/status"
	"baton/internal/support"
)

// backend answers the API for this appliance. The files backend_*.go hold its
// methods by subject.
type backend struct {
	*Appliance
	backups  *support.Backups
	software *support.Software
	syncs    *admin.Syncs
	roles    *admin.Roles
	upkeep   *admin.Upkeep
	looks    *looks
}

func newBackend(a *Appliance) *backend {
	b := &backend{Appliance: a, looks: newLooks()}
	a.doctor = &status.Checks{Overview: a.overview, Kernel: a.kernel, Permitted: b.permitted, TestIPs: b.TestIPs}
	a.preflight = &status.SwitchChecks{Checks: a.doctor, Exchange: a.exchange.All}
	tasks := admin.NewTasks(a.log)
	b.syncs = &admin.Syncs{Agent: a.agent, Link: a.link, Audit: a.lead.Audit, Overview: a.overview, Tasks: tasks}
	b.roles = &admin.Roles{SwitchChecks: a.preflight, Agent: a.agent, Audit: a.lead.Audit, Tasks: tasks}
	b.upkeep = &admin.Upkeep{Checks: a.doctor, Agent: a.agent, Link: a.link, Audit: a.lead.Audit, Log: a.log}
	b.backups = &support.Backups{Name: a.config.Name, Version: a.version, Store: a.site, Lead: a.lead, Reload: a.reload}
	b.software = &support.Software{Version: a.version, Started: a.begun, Agent: a.agent, Link: a.link, Bundle: &support.Bundle{
		Name: a.config.Name, ID: a.identity.ID(), Version: a.version, Secrets: a.secrets, Audit: a.lead.Audit,
	}}
	b.software.Bundle.Files = b.bundleFiles()
	return b
}

// contract is the backend by subject.
func (b *backend) contract() api.Backend {
	return api.Backend{
		Overview:      b.overview,
		Reports:       b,
		Setup:         b.people.Setup,
		Keys:          b,
		Relationship:  b,
		Syncs:         b.syncs,
		Roles:         b.roles,
		Upkeep:        b.upkeep,
		Settings:      b,
		Addresses:     b,
		Notifications: b,
		Site:          b,
		Certificates:  b,
		Data:          b,
		Services:      b,
		Users:         b.people.Users,
		SignIn:        b.people.SignIn,
		Sessions:      b.people.Sessions,
		Account:       b.people.Account,
		Security:      b.people.Security,
		Tokens:        b.people.Tokens,
		Diverged:      b,
		Backups:       b.backups,
		Software:      b.software,
	}
}
