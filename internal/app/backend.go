package app

import (
	"baton/internal/api"
	"baton/internal/support"
)

// backend answers the API for this appliance. The files backend_*.go hold its
// methods by subject.
type backend struct {
	*Appliance
	backups  *support.Backups
	software *support.Software
	tasks    *tasks
	looks    *looks
	newest   glance
}

func newBackend(a *Appliance) *backend {
	b := &backend{Appliance: a, tasks: newTasks(a.log), looks: newLooks()}
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
		Overview:      b,
		Reports:       b,
		Setup:         b.people.Setup,
		Keys:          b,
		Relationship:  b,
		Syncs:         b,
		Roles:         b,
		Upkeep:        b,
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
