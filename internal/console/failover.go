package console

import (
	"context"
	"slices"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// failoverPath is the page of Management > Failover, below Root.
const failoverPath = "/management/failover"

func (c *Console) failoverRoutes() []route {
	// Whoever reloads what a form answered gets the page, not the form again.
	page := func(v *visit) error { return v.leave(failoverPath) }
	return []route{
		get(failoverPath, viewer, c.showFailover),
		post(failoverPath+"/pair", administrator, c.previewPair),
		post(failoverPath+"/establish", administrator, c.establish),
		get(failoverPath+"/break", administrator, c.showBreak),
		post(failoverPath+"/break", administrator, c.breakRelationship),
		post(failoverPath+"/sync", operator, c.syncNow),
		post(failoverPath+"/cancel", operator, c.cancelSync),
		get(failoverPath+"/switch", operator, c.showSwitch),
		post(failoverPath+"/switch", operator, c.switchRoles),
		post(failoverPath+"/settings", administrator, c.saveFailover),
		post(failoverPath+"/test", operator, c.testIPs),
		get(failoverPath+"/pair", viewer, page),
		get(failoverPath+"/establish", viewer, page),
		get(failoverPath+"/settings", viewer, page),
		get(failoverPath+"/test", viewer, page),
	}
}

// failoverPage is Management > Failover.
type failoverPage struct {
	Hosts   []host
	Sync    syncPart
	Task    *taskPart
	History []happening
	Zone    *time.Location

	Pair   *form // New Backup Site Connection Details
	KeySet bool
	Switch *form
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

func (c *Console) readHistory(ctx context.Context) ([]pair.Event, error) {
	return c.backend.Overview.History(ctx, api.HistoryFilter{Kinds: historyKinds(), Limit: historyLength})
}

// liveFailover is the part of the page that follows the appliance.
func (v *visit) liveFailover(events []pair.Event) *failoverPage {
	history := v.happenings(events)
	slices.Reverse(history)
	return &failoverPage{Hosts: v.hosts(), Sync: v.syncPart(), Task: v.task(), History: history, Zone: v.zone}
}

func (c *Console) followFailover(v *visit) (any, error) {
	events, err := c.history.get(v.ctx())
	return v.liveFailover(events), err
}

// failoverPage reads the whole page as it is saved.
func (v *visit) failoverPage() (*failoverPage, error) {
	events, err := v.console.readHistory(v.ctx())
	if err != nil {
		return nil, err
	}
	saved, err := v.console.backend.Settings.Settings(v.ctx())
	if err != nil {
		return nil, err
	}
	key, err := v.console.backend.Keys.Key(v.ctx())
	if err != nil {
		return nil, err
	}
	data := v.liveFailover(events)
	data.KeySet = key.Set
	data.Pair, data.Switch = v.pairForm(), newForm(map[string]string{"final": "true"})
	if peer := v.status.Peer; v.status.Role == pair.Backup && peer != nil && !peer.Reachable { // nothing can be pulled
		data.Switch.forget("final")
	}
	data.Config = v.configuration(saved)
	return data, nil
}

func (c *Console) showFailover(v *visit) error {
	data, err := v.failoverPage()
	if err != nil {
		return err
	}
	return v.page("failover", "Failover", data)
}

// taskPart is what somebody has begun, followed until it ends.
type taskPart struct{ api.Task }

// Running, Failed and Done tell its state.
func (t taskPart) Running() bool { return t.State == api.TaskRunning }

// Failed reports whether it did not work.
func (t taskPart) Failed() bool { return t.State == api.TaskFailed }

// task is the one that the page's address names; nil if there is none any more.
func (v *visit) task() *taskPart {
	id := v.r.URL.Query().Get("task")
	if id == "" {
		return nil
	}
	task, err := v.console.backend.Syncs.Task(v.ctx(), id)
	if err != nil {
		return nil // of an earlier run of the daemon: the status tells how it ended
	}
	return &taskPart{task}
}

func (c *Console) syncNow(v *visit) error {
	task, err := c.backend.Syncs.StartSync(v.ctx(), api.SyncRequest{AcceptShrink: v.r.PostFormValue("accept_shrink") != ""})
	if err != nil {
		return v.warnOf(failoverPath, err)
	}
	if task.State == api.TaskDone {
		return v.done(failoverPath, "The data sync is complete.")
	}
	return v.leave(failoverPath + "?task=" + task.ID) // which tells how it goes
}

func (c *Console) cancelSync(v *visit) error {
	if err := c.backend.Syncs.CancelSync(v.ctx()); err != nil {
		return v.warnOf(failoverPath, err)
	}
	return v.done(failoverPath, "The data sync is cancelled. The next one goes on where it stopped.")
}
