package console

import (
	"strings"

	"baton/internal/pair"
)

// tab leads to a page.
type tab struct {
	Label   string
	Href    string
	Current bool
}

// tabs returns the tabs, and below some of them their pages, as far as the visitor may
// open them. A backup has the two that are its own; the others come from the primary.
func (v *visit) tabs(path string) (top, sub []tab) {
	list := []tab{
		{Label: "Status", Href: "/status"},
		{Label: "Site", Href: "/site"},
		{Label: "Protection", Href: "/protection"},
		{Label: "Users", Href: "/users"},
		{Label: "Reports", Href: "/reports"},
		{Label: "Management", Href: "/management/failover"},
	}
	for _, t := range list {
		if v.status.Role == pair.Backup && t.Label != "Status" && t.Label != "Management" || !v.may(v.console.least[t.Href]) {
			continue
		}
		t.Current = under(path, t.Href)
		t.Href = Root + t.Href
		top = append(top, t)
	}
	for _, t := range subtabs(path) {
		if !v.may(v.console.least[t.Href]) {
			continue
		}
		t.Current = path == t.Href || t.Href != "/reports" && strings.HasPrefix(path, t.Href+"/")
		t.Href = Root + t.Href
		sub = append(sub, t)
	}
	return top, sub
}

// subtabs are the pages below the tab that a path belongs to.
func subtabs(path string) []tab {
	switch {
	case under(path, "/reports"):
		return reportTabs()
	case strings.HasPrefix(path, "/management/"):
		return []tab{
			{Label: "Security", Href: "/management/security"},
			{Label: "Failover", Href: "/management/failover"},
			{Label: "Notifications", Href: "/management/notifications"},
			{Label: "Software", Href: "/management/software"},
			{Label: "API", Href: "/management/api"},
		}
	}
	return nil
}

// under reports whether a path belongs to a tab: to its first part.
func under(path, tab string) bool {
	first := func(p string) string {
		part, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
		return part
	}
	return first(path) == first(tab)
}
