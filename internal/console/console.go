package console

import (
	"baton/internal/api"
	"baton/internal/console/access"
	"baton/internal/console/failover"
	"baton/internal/console/notifications"
	"baton/internal/console/page"
	"baton/internal/console/reports"
	"baton/internal/console/site"
	"baton/internal/console/software"
)

// New returns the console of an appliance.
func New(backend api.Backend, options page.Options) (*page.Server, error) {
	frame := page.Backend{
		Overview: backend.Overview, Settings: backend.Settings, Site: backend.Site, Sessions: backend.Sessions, Security: backend.Security,
	}
	return page.New(frame, options, tabs(), sections(backend))
}

// sections is the whole console: each subject, with what its pages need of the appliance.
func sections(b api.Backend) []page.Section {
	return []page.Section{
		page.Frame(),
		access.Section(access.Backend{
			Setup: b.Setup, SignIn: b.SignIn, Sessions: b.Sessions, Account: b.Account,
			Users: b.Users, Security: b.Security, Keys: b.Keys, Tokens: b.Tokens,
		}),
		failover.Section(failover.Backend{
			Overview: b.Overview, Upkeep: b.Upkeep, Diverged: b.Diverged, Relationship: b.Relationship, Keys: b.Keys,
			Data: b.Data, Syncs: b.Syncs, Roles: b.Roles, Settings: b.Settings, Addresses: b.Addresses,
		}),
		site.Section(site.Backend{Site: b.Site, Settings: b.Settings, Certificates: b.Certificates, Data: b.Data, Services: b.Services, Points: b.Points}),
		reports.Section(reports.Backend{Reports: b.Reports, Upkeep: b.Upkeep}),
		notifications.Section(b.Notifications),
		software.Section(software.Backend{Software: b.Software, Backups: b.Backups, Site: b.Site}),
	}
}

// tabs lead to the pages.
func tabs() []page.Tab {
	return []page.Tab{
		{Label: "Status", Href: "/status"},
		{Label: "Site", Href: "/site"},
		{Label: "Protection", Href: "/protection"},
		{Label: "Users", Href: "/users"},
		{Label: "Reports", Href: "/reports", Below: []page.Tab{
			{Label: "Availability", Href: "/reports"},
			{Label: "Failovers", Href: "/reports/failovers"},
			{Label: "Data syncs", Href: "/reports/syncs"},
			{Label: "Sign-ins and changes", Href: "/reports/audit"},
		}},
		{Label: "Management", Href: "/management/failover", Below: []page.Tab{
			{Label: "Security", Href: "/management/security"},
			{Label: "Failover", Href: "/management/failover"},
			{Label: "Notifications", Href: "/management/notifications"},
			{Label: "Software", Href: "/management/software"},
			{Label: "API", Href: "/management/api"},
		}},
	}
}
