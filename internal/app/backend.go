package app

import (
	"baton/internal/api"
)

// backend answers the API for this appliance. The files backend_*.go hold its
// methods by subject.
type backend struct {
	*Appliance
	tasks  *tasks
	looks  *looks
	newest glance

	inspected inspected
}

func newBackend(a *Appliance) *backend {
	return &backend{Appliance: a, tasks: newTasks(a.log), looks: newLooks()}
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
		Backups:       b,
		Software:      b,
	}
}
