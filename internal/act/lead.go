package act

import (
	"context"
	"fmt"
	"sync"

	"baton/internal/failover"
	"baton/internal/pair"
)

// Lead says whether this appliance may change what the site keeps (the site database),
// and makes the changes. Its methods are safe for use by several goroutines.
type Lead struct {
	Agent Agent
	Link  Link
	Audit Audit

	changing sync.RWMutex // held shared while the site database is changed
}

// Check refuses, on a backup, what is kept by the primary, and while the primary is
// handing over.
func (l *Lead) Check() error {
	state := l.Agent.Decision().State
	switch {
	case state.Record.Role == pair.Primary && state.Switch.Step == failover.Stopped:
		return pair.Refuse(pair.Refused, "a planned switch is under way, so nothing is saved here: try again in a moment")
	case state.Record.Role != pair.Backup:
		return nil
	}
	where := "the primary"
	if pinned, paired := l.Link.Paired(); paired && len(pinned.Addresses) > 0 {
		where = fmt.Sprintf("the primary, %s at %s", pinned.Name, pinned.Addresses[0])
	}
	return pair.Refuse(pair.Refused, "this appliance is the backup and gets this from its primary: do it on %s", where)
}

// Change changes the site database, on the primary or a standalone appliance. A planned
// switch waits for changes that have begun, see Finish; none begins until it has ended.
func (l *Lead) Change(change func() error) error {
	l.changing.RLock()
	defer l.changing.RUnlock()
	if err := l.Check(); err != nil {
		return err
	}
	return change()
}

// ChangeFor is Change for the administrator who asks; what they did is written into the
// history, as one that the next data sync brings to the backup.
func (l *Lead) ChangeFor(ctx context.Context, what string, change func() error) error {
	if err := l.Change(change); err != nil {
		return Failure(err)
	}
	event := Changed(ctx, what)
	event.Detail[pair.DetailBySync] = "true"
	l.Audit.Record(event)
	return nil
}

// Finish waits for changes of the site database that began before requests were held.
// So the final data sync brings everything that somebody was told is saved.
func (l *Lead) Finish() {
	l.changing.Lock()
	l.changing.Unlock() //nolint:staticcheck // waiting for the others is all
}
