package page

import (
	"strings"

	"baton/internal/pair"
)

// Tab leads to a page.
type Tab struct {
	Label   string
	Href    string // of a tab of the console: below Root
	Current bool
	Below   []Tab // the pages that it has, if it has several
}

// tabsAt returns the tabs, and the pages below the one that a path belongs to, as far as
// the visitor may open them here.
func (v *Visit) tabsAt(path string) (top, below []Tab) {
	for _, t := range v.server.tabs {
		page := v.server.pages[t.Href]
		t.Current = firstPart(path) == firstPart(t.Href)
		if t.Current {
			below = v.pagesBelow(t, path)
		}
		if !v.May(page.Least) || v.Status.Role == pair.Backup && page.FromPrimary != "" {
			continue
		}
		t.Href = Root + t.Href
		top = append(top, t)
	}
	return top, below
}

func (v *Visit) pagesBelow(top Tab, path string) []Tab {
	var pages []Tab
	for _, t := range top.Below {
		if !v.May(v.server.pages[t.Href].Least) {
			continue
		}
		overview := "/" + firstPart(path) // of a tab, as /reports: it is not above the other pages
		t.Current = path == t.Href || t.Href != overview && strings.HasPrefix(path, t.Href+"/")
		t.Href = Root + t.Href
		pages = append(pages, t)
	}
	return pages
}

// firstPart is the part of a path that tells the tab.
func firstPart(path string) string {
	part, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return part
}
