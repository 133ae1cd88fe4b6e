package console

import (
	"context"
	"io"
	"slices"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

func (c *Console) statusRoutes() []route {
	return []route{
		get("/status", viewer, c.showStatus),
		post("/status/maintenance", operator, c.startMaintenance),
		post("/status/maintenance/end", operator, c.endMaintenance),
		post("/status/resume", operator, c.resume),
		get("/status/diverged/{id}", viewer, c.showDiverged),
		get("/status/diverged/{id}/export", administrator, c.exportDiverged),
		post("/status/diverged/{id}/delete", administrator, c.deleteDiverged),
	}
}

// statusPage is what the Status page shows besides the status itself.
type statusPage struct {
	Hosts      []host
	Sync       syncPart
	Conditions []noticed
	Paused     bool // automatic failover waits for Resume
	Timeline   []happening
	Diverged   []pair.DivergedCopy
	Zone       *time.Location
}

// timelineKinds are the events of the timeline: what concerns the pair.
func timelineKinds() []string {
	return []string{
		pair.KindRoleChanged, pair.KindTakeover, pair.KindHandover, pair.KindSteppedDown, pair.KindObserved, pair.KindPaired, pair.KindUnpaired,
		pair.KindPairingFailed, pair.KindSyncFailed, pair.KindDiverged, pair.KindConditionRaised, pair.KindConditionCleared, pair.KindStarted, pair.KindStopped,
	}
}

const timelineLength = 12

// readTimeline returns the newest events of the pair, oldest first.
func (c *Console) readTimeline(ctx context.Context) ([]pair.Event, error) {
	return c.backend.Overview.History(ctx, api.HistoryFilter{Kinds: timelineKinds(), Limit: timelineLength})
}

// followStatus is what an open page shows a moment later.
func (c *Console) followStatus(v *visit) (any, error) {
	events, err := c.timeline.get(v.ctx())
	return v.statusPage(events), err
}

func (v *visit) statusPage(events []pair.Event) statusPage {
	timeline := v.happenings(events)
	slices.Reverse(timeline)
	return statusPage{
		Hosts: v.hosts(), Sync: v.syncPart(), Conditions: v.conditions(), Timeline: timeline, Zone: v.zone,
		Paused: slices.ContainsFunc(v.status.Conditions, func(c pair.Condition) bool { return c.ID == "automatic-paused" }),
	}
}

func (c *Console) showStatus(v *visit) error {
	events, err := c.readTimeline(v.ctx())
	if err != nil {
		return err
	}
	data := v.statusPage(events)
	if data.Diverged, err = c.backend.Diverged.DivergedCopies(v.ctx()); err != nil {
		return err
	}
	return v.page("status", "Status", data)
}

// noticed is an open condition of the pair.
type noticed struct {
	pair.Notice
	Href string // page on which the next step is done; empty: none here
}

func (v *visit) conditions() []noticed {
	var all []noticed
	for _, notice := range v.status.Notices() {
		href := ""
		if notice.Where == "" {
			href = remedyPage(notice.ID)
		}
		all = append(all, noticed{notice, href})
	}
	return all
}

// remedyPage is the page on which a condition's next step is done.
func remedyPage(id string) string {
	switch id {
	case "no-test-ips", "no-shared-ip", "timeout-below-lease", "observing", "data-too-old", "data-torn", "primary-set-back", "peer-set-back", "data-age-unknown", "sync-failed", "no-snapshot",
		"conflict", "no-primary", "waiting-for-primary", "backup-operations-off", "automatic-failover-off", "peer-identity-changed", "site-sick":
		return Root + failoverPath
	case "nothing-protected":
		return Root + protectionPath
	case "key-mismatch":
		return Root + "/management/security"
	}
	return ""
}

func (c *Console) startMaintenance(v *visit) error {
	lasting, err := pair.ParseDuration(v.r.PostFormValue("for"))
	if err != nil {
		return v.warn("/status", sentence(err.Error()))
	}
	if err := c.backend.Upkeep.StartMaintenance(v.ctx(), lasting); err != nil {
		return v.warnOf("/status", err)
	}
	return v.done("/status", "Maintenance has begun: there is no automatic failover until it ends.")
}

func (c *Console) endMaintenance(v *visit) error {
	if err := c.backend.Upkeep.EndMaintenance(v.ctx()); err != nil {
		return v.warnOf("/status", err)
	}
	return v.done("/status", "Maintenance has ended.")
}

func (c *Console) resume(v *visit) error {
	if err := c.backend.Upkeep.Resume(v.ctx()); err != nil {
		return v.warnOf("/status", err)
	}
	return v.done("/status", api.ResumeText(v.status))
}

// warnOf leaves to a page with what a person should know of an error.
func (v *visit) warnOf(path string, err error) error {
	f := newForm(nil)
	if !f.refused(err) {
		return err
	}
	if f.Problem == "" {
		f.Problem = sentence(err.Error())
	}
	return v.warn(path, f.Problem)
}

// divergedPage shows one diverged copy.
type divergedPage struct {
	Copy pair.DivergedCopy
	More int // files that are not listed
	Zone *time.Location
	Form *form
}

func (c *Console) diverged(v *visit) (divergedPage, error) {
	const most = 200
	id := v.r.PathValue("id")
	copies, err := c.backend.Diverged.DivergedCopies(v.ctx())
	if err != nil {
		return divergedPage{}, err
	}
	i := slices.IndexFunc(copies, func(d pair.DivergedCopy) bool { return d.ID == id })
	if i < 0 {
		return divergedPage{}, pair.Refuse(pair.NotFound, "there is no diverged copy %q on this appliance: look at the list on the Status page", id)
	}
	found := divergedPage{Copy: copies[i], More: max(len(copies[i].Files)-most, 0), Zone: v.zone, Form: newForm(nil)}
	found.Copy.Files = found.Copy.Files[:min(len(found.Copy.Files), most)]
	return found, nil
}

func (c *Console) showDiverged(v *visit) error {
	data, err := c.diverged(v)
	if err != nil {
		return err
	}
	return v.page("diverged", "Diverged copy", data)
}

// exportDiverged downloads a copy as a tar archive.
func (c *Console) exportDiverged(v *visit) error {
	data, err := c.diverged(v)
	if err != nil {
		return err
	}
	return v.download("baton-diverged-"+data.Copy.ID+".tar", "application/x-tar", func(to io.Writer) error {
		return c.backend.Diverged.ExportDiverged(v.ctx(), data.Copy.ID, to)
	})
}

func (c *Console) deleteDiverged(v *visit) error {
	data, err := c.diverged(v)
	if err != nil {
		return err
	}
	if v.r.PostFormValue("confirm") == "" {
		data.Form.refuse("confirm", "check this: a deleted copy cannot be brought back")
		return v.again("diverged", "Diverged copy", data)
	}
	if err := c.backend.Diverged.DeleteDiverged(v.ctx(), data.Copy.ID); err != nil {
		return v.warnOf("/status", err)
	}
	return v.done("/status", "The diverged copy is deleted.")
}
