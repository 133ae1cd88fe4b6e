package failover

import (
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// failoverPath is the page of Management > Failover.
const failoverPath = "/management/failover"

// management is Management > Failover.
type management struct {
	backend Backend
	history *newestEvents
}

func (p management) routes() []page.Route {
	// A browser that reloads what a form answered gets the page, not the form again.
	reload := func(v *page.Visit) error { return v.Leave(failoverPath) }
	return []page.Route{
		page.Get(failoverPath, pair.Viewer, p.page().Show),
		page.Submit(failoverPath+"/pair", pair.Administrator, "pair", p.previewPair),
		page.Submit(failoverPath+"/establish", pair.Administrator, "pair", p.establish),
		page.Get(failoverPath+"/break", pair.Administrator, p.showBreak),
		page.Submit(failoverPath+"/break", pair.Administrator, "", p.breakRelationship),
		page.Post(failoverPath+"/sync", pair.Operator, p.syncNow),
		page.Post(failoverPath+"/cancel", pair.Operator, p.cancelSync),
		page.Get(failoverPath+"/switch", pair.Operator, p.showSwitch),
		page.Submit(failoverPath+"/switch", pair.Operator, "", p.switchRoles),
		page.Post(failoverPath+"/settings", pair.Administrator, p.saveSettings),
		page.Post(failoverPath+"/test", pair.Operator, p.testIPs),
		page.Get(failoverPath+"/pair", pair.Viewer, reload),
		page.Get(failoverPath+"/establish", pair.Viewer, reload),
		page.Get(failoverPath+"/settings", pair.Viewer, reload),
		page.Get(failoverPath+"/test", pair.Viewer, reload),
	}
}

// failoverPage is Management > Failover.
type failoverPage struct {
	Hosts   []host
	Sync    syncPart
	Task    *taskPart
	History []page.Event
	Zone    *time.Location

	Pair   *page.Form // New Backup Site Connection Details
	KeySet bool
	Switch *page.Form
	Config configuration
}

// historyKinds are the events of the Status history.
func historyKinds() []string {
	return []string{
		pair.KindRoleChanged, pair.KindTakeover, pair.KindHandover, pair.KindSteppedDown, pair.KindObserved,
		pair.KindPaired, pair.KindUnpaired, pair.KindPairingFailed, pair.KindDiverged,
	}
}

const historyLength = 20

// livePage is the part of the page that follows the appliance.
func (p management) livePage(v *page.Visit, events []pair.Event) failoverPage {
	return failoverPage{Hosts: hosts(v), Sync: newSyncPart(v), Task: p.task(v), History: v.NewestFirst(events), Zone: v.Zone}
}

func (p management) follow(v *page.Visit) (any, error) {
	events, err := p.history.recent(v.Context())
	return p.livePage(v, events), err
}

func (p management) page() page.Of[failoverPage] {
	return page.Of[failoverPage]{Name: "failover", Title: "Failover", Read: p.read}
}

// read reads the whole page as it is saved.
func (p management) read(v *page.Visit) (failoverPage, error) {
	events, err := p.history.read(v.Context())
	if err != nil {
		return failoverPage{}, err
	}
	saved, err := p.backend.Settings.Settings(v.Context())
	if err != nil {
		return failoverPage{}, err
	}
	key, err := p.backend.Keys.Key(v.Context())
	if err != nil {
		return failoverPage{}, err
	}
	data := p.livePage(v, events)
	data.KeySet = key.Set
	data.Pair, data.Switch = pairForm(v.Status), page.NewForm("", map[string]string{"final": "true"})
	if peer := v.Status.Peer; v.Status.Role == pair.Backup && peer != nil && !peer.Reachable { // nothing can be pulled
		data.Switch.Forget("final")
	}
	data.Config = newConfiguration(v.Status, saved)
	return data, nil
}

// taskPart is a task that a user has started; the page follows it until it ends.
type taskPart struct{ api.Task }

// Running reports whether it has not ended.
func (t taskPart) Running() bool { return t.State == api.TaskRunning }

// Failed reports whether it did not work.
func (t taskPart) Failed() bool { return t.State == api.TaskFailed }

// task is the task that the address of the page names; nil if it is gone.
func (p management) task(v *page.Visit) *taskPart {
	id := v.Request.URL.Query().Get("task")
	if id == "" {
		return nil
	}
	task, err := p.backend.Syncs.Task(v.Context(), id)
	if err != nil {
		return nil // of an earlier run of the daemon: the status shows how it ended
	}
	return &taskPart{task}
}

func (p management) syncNow(v *page.Visit) error {
	task, err := p.backend.Syncs.StartSync(v.Context(), api.SyncRequest{AcceptShrink: v.Request.PostFormValue("accept_shrink") != ""})
	if err != nil {
		return v.WarnOf(failoverPath, err)
	}
	if task.State == api.TaskDone {
		return v.Done(failoverPath, "The data sync is complete.")
	}
	return v.Leave(failoverPath + "?task=" + task.ID) // which shows how it goes
}

func (p management) cancelSync(v *page.Visit) error {
	if err := p.backend.Syncs.CancelSync(v.Context()); err != nil {
		return v.WarnOf(failoverPath, err)
	}
	return v.Done(failoverPath, "The data sync is cancelled. The next one goes on where it stopped.")
}
