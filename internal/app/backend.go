package app

import (
	"sync"
	"time"

	"baton/internal/api"
	"baton/internal/peer"
)

// backend answers the API for this appliance. The files backend_*.go hold its
// methods by subject.
type backend struct {
	*Appliance
	tasks  *tasks
	gate   *gate // in front of the sign-in
	looks  *looks
	token  string // of the one-time setup
	newest glance

	inspected inspected
	setUp     sync.Mutex // two that know the token make one administrator
}

func newBackend(a *Appliance) *backend {
	return &backend{Appliance: a, tasks: newTasks(a.log), gate: newGate(time.Now), looks: newLooks(), token: peer.Generate()}
}

// contract is the backend by subject.
func (b *backend) contract() api.Backend {
	return api.Backend{
		Overview:      b,
		Reports:       b,
		Setup:         b,
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
		Users:         b,
		SignIn:        b,
		Sessions:      b,
		Account:       b,
		Security:      b,
		Tokens:        b,
		Diverged:      b,
		Backups:       b,
		Software:      b,
	}
}
