package failover

import (
	"slices"
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/kept"
	"baton/internal/pair"
)

// status is the Status page.
type status struct {
	backend  Backend
	timeline *newestEvents
}

func (p status) routes() []page.Route {
	return []page.Route{
		page.Get("/status", pair.Viewer, p.show),
		page.Post("/status/maintenance", pair.Operator, p.startMaintenance),
		page.Post("/status/maintenance/end", pair.Operator, p.endMaintenance),
		page.Post("/status/resume", pair.Operator, p.resume),
		page.Get("/status/compare", pair.Viewer, p.compare),
		page.Get("/status/diverged/{id}", pair.Viewer, p.showDiverged),
		page.Get("/status/diverged/{id}/rows", pair.Administrator, p.showDivergedRows),
		page.Get("/status/diverged/{id}/export", pair.Administrator, p.exportDiverged),
		page.Post("/status/diverged/{id}/restore", pair.Administrator, p.restoreDiverged),
		page.Post("/status/diverged/{id}/delete", pair.Administrator, p.deleteDiverged),
	}
}

// statusPage is what the Status page shows besides the status itself.
type statusPage struct {
	Hosts      []host
	Sync       syncPart
	Conditions []openCondition
	Paused     bool // automatic failover waits for Resume
	Timeline   []page.Event
	Diverged   []kept.DivergedCopy
	Zone       *time.Location
}

// timelineKinds are the events of the timeline: what concerns the pair.
func timelineKinds() []string {
	return []string{
		pair.KindRoleChanged, pair.KindTakeover, pair.KindHandover, pair.KindSteppedDown, pair.KindObserved, pair.KindPaired, pair.KindUnpaired,
		pair.KindPairingFailed, pair.KindSyncFailed, pair.KindDiverged, pair.KindConditionRaised, pair.KindConditionCleared, pair.KindStarted, pair.KindStopped, pair.KindReloaded, pair.KindReloadFailed,
		pair.KindServiceFailed, pair.KindServiceRestarted,
	}
}

const timelineLength = 12

// follow reads what an open page shows later.
func (p status) follow(v *page.Visit) (any, error) {
	events, err := p.timeline.recent(v.Context())
	return newStatusPage(v, events), err
}

func newStatusPage(v *page.Visit, events []pair.Event) statusPage {
	return statusPage{
		Hosts: hosts(v), Sync: newSyncPart(v), Conditions: openConditions(v.Status), Timeline: v.NewestFirst(events), Zone: v.Zone,
		Paused: slices.ContainsFunc(v.Status.Conditions, func(c pair.Condition) bool { return c.ID == "automatic-paused" }),
	}
}

func (p status) show(v *page.Visit) error {
	events, err := p.timeline.read(v.Context())
	if err != nil {
		return err
	}
	data := newStatusPage(v, events)
	if data.Diverged, err = p.backend.Diverged.DivergedCopies(v.Context()); err != nil {
		return err
	}
	return v.Page("status", "Status", data)
}

// openCondition is an open condition of the pair.
type openCondition struct {
	pair.Notice
	Href string // page on which the next step is done; empty: none here
}

func openConditions(status pair.Status) []openCondition {
	var all []openCondition
	for _, notice := range status.Notices() {
		href := ""
		if notice.Where == "" {
			href = remedyPage(notice.ID)
		}
		all = append(all, openCondition{notice, href})
	}
	return all
}

// remedyPage is the page on which a condition's next step is done.
func remedyPage(id string) string {
	switch id {
	case "no-test-ips", "no-shared-ip", "shared-ip-differs", "timeout-below-lease", "observing", "data-too-old", "data-torn", "primary-set-back", "peer-set-back", "data-age-unknown", "sync-failed", "no-snapshot",
		"conflict", "no-primary", "waiting-for-primary", "backup-operations-off", "automatic-failover-off", "peer-identity-changed", "site-sick":
		return page.Root + failoverPath
	case "nothing-protected":
		return page.Root + "/protection"
	case "key-mismatch":
		return page.Root + "/management/security"
	}
	return ""
}

func (p status) startMaintenance(v *page.Visit) error {
	lasting, err := pair.ParseDuration(v.Request.PostFormValue("for"))
	if err != nil {
		return v.Warn("/status", page.Sentence(err.Error()))
	}
	if err := p.backend.Upkeep.StartMaintenance(v.Context(), lasting); err != nil {
		return v.WarnOf("/status", err)
	}
	return v.Done("/status", "Maintenance has begun: there is no automatic failover until it ends.")
}

func (p status) endMaintenance(v *page.Visit) error {
	if err := p.backend.Upkeep.EndMaintenance(v.Context()); err != nil {
		return v.WarnOf("/status", err)
	}
	return v.Done("/status", "Maintenance has ended.")
}

func (p status) resume(v *page.Visit) error {
	if err := p.backend.Upkeep.Resume(v.Context()); err != nil {
		return v.WarnOf("/status", err)
	}
	return v.Done("/status", api.ResumeText(v.Status))
}
