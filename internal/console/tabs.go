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

// tabs returns the tabs, and below Management its pages, as far as the visitor may
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
	if !strings.HasPrefix(path, "/management/") {
		return top, nil
	}
	for _, t := range []tab{
		{Label: "Security", Href: "/management/security"},
		{Label: "Failover", Href: "/management/failover"},
		{Label: "Notifications", Href: "/management/notifications"},
		{Label: "Software", Href: "/management/software"},
		{Label: "API", Href: "/management/api"},
	} {
		if !v.may(v.console.least[t.Href]) {
			continue
		}
		t.Current = path == t.Href || strings.HasPrefix(path, t.Href+"/")
		t.Href = Root + t.Href
		sub = append(sub, t)
	}
	return top, sub
}

// under reports whether a path belongs to a tab: to its first part.
func under(path, tab string) bool {
	first := func(p string) string {
		part, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
		return part
	}
	return first(path) == first(tab)
}
