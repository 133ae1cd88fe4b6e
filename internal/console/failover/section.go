// Package failover has the pages of the pair: Status with the diverged copies, and
// Management > Failover with its settings, the relationship and the switch.
package failover

import (
	"embed"

	"baton/internal/api"
	"baton/internal/console/page"
)

// Backend is what the pages need of the appliance.
type Backend struct {
	Overview     api.Overview
	Upkeep       api.Upkeep
	Diverged     api.DivergedCopies
	Relationship api.Relationship
	Keys         api.Keys
	Data         api.ProtectedData
	Syncs        api.Syncs
	Roles        api.Roles
	Settings     api.Settings
	Addresses    api.Addresses
}

//go:embed templates
var files embed.FS

// Section is the pages of the pair.
func Section(backend Backend) page.Section {
	s := status{backend: backend, timeline: newNewestEvents(backend.Overview, timelineLength, timelineKinds())}
	m := management{backend: backend, history: newNewestEvents(backend.Overview, historyLength, historyKinds())}
	return page.Section{
		Routes:    append(s.routes(), m.routes()...),
		Templates: files,
		Live: []page.Live{
			{Page: "status", Load: s.follow, Parts: []string{"live-status", "live-timeline"}},
			{Page: "failover", Load: m.follow, Parts: []string{"live-hosts", "live-sync", "live-cancel", "live-task", "live-history"}},
		},
	}
}
