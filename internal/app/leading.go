package app

import (
	"fmt"

	"baton/internal/failover"
	"baton/internal/pair"
)

// mustLead refuses, on a backup, what is kept by the primary, and while the primary is
// handing over.
func (a *Appliance) mustLead() error {
	state := a.agent.Look().State
	switch {
	case state.Record.Role == pair.Primary && state.Switch.Step == failover.Stopped:
		return pair.Refuse(pair.Refused, "a planned switch is under way, so nothing is saved here: try again in a moment")
	case state.Record.Role != pair.Backup:
		return nil
	}
	where := "the primary"
	if pinned, paired := a.link.Paired(); paired && len(pinned.Addresses) > 0 {
		where = fmt.Sprintf("the primary, %s at %s", pinned.Name, pinned.Addresses[0])
	}
	return pair.Refuse(pair.Refused, "this appliance is the backup and gets this from its primary: do it on %s", where)
}

// led changes the site database, on the primary or a standalone appliance. A planned
// switch waits for what has begun, see finishLed, and nothing begins until it ended.
func (a *Appliance) led(change func() error) error {
	a.leading.RLock()
	defer a.leading.RUnlock()
	if err := a.mustLead(); err != nil {
		return err
	}
	return change()
}

// finishLed waits for changes of the site database that began before requests were
// held: the final data sync is to bring whatever somebody is told is saved.
func (a *Appliance) finishLed() {
	a.leading.Lock()
	a.leading.Unlock() //nolint:staticcheck // waiting for the others is all
}
