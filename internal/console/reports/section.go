// Package reports has the pages below Reports: availability, failovers, data syncs, and
// sign-ins and changes.
package reports

import (
	"embed"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// Backend is what the pages need of the appliance.
type Backend struct {
	Reports api.Reports
	Upkeep  api.Upkeep // notes in the history
}

// reports is the pages below Reports.
type reports struct{ backend Backend }

//go:embed templates
var files embed.FS

// Section is the pages below Reports.
func Section(backend Backend) page.Section {
	p := reports{backend}
	return page.Section{Templates: files, Routes: page.FromPrimary("the reports",
		page.Get("/reports", pair.Viewer, p.showAvailability),
		page.Get("/reports/failovers", pair.Viewer, p.showEvents(api.FailoverReport)),
		page.Get("/reports/syncs", pair.Viewer, p.showEvents(api.SyncReport)),
		page.Get(auditPath, pair.Viewer, p.showEvents(api.AuditReport)),
		page.Get("/reports/{kind}/download", pair.Viewer, p.download),
		page.Submit("/reports/note", pair.Operator, "", p.addNote),
	)}
}

const auditPath = "/reports/audit"

// addNote writes a note into the history, where the report of changes shows it.
func (p reports) addNote(v *page.Visit, f *page.Form) error {
	if err := p.backend.Upkeep.AddNote(v.Context(), api.NewNote{Text: f.Get("text")}); err != nil {
		return v.WarnOf(auditPath, err)
	}
	return v.Done(auditPath, "The note is in the history.")
}
