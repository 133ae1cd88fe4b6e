package api

import (
	"context"

	"baton/internal/pair"
)

// Site keeps what the site is called and shows.
type Site interface {
	Site(ctx context.Context) (SavedSite, error)
	// SaveSite saves what was derived from site.Version; pair.Stale if that is no
	// longer the newest, Usage with its Fields if values are refused. The front
	// is not changed by it.
	SaveSite(ctx context.Context, site SavedSite) (SavedSite, error)
}

// GetSite tells what the site is called and shows.
func GetSite() Op[Site, None, SiteAnswer] {
	return tagged(get("/site", "site", pair.Viewer, "What the site is called and shows"),
		func(s Site, ctx context.Context, _ None) (SiteAnswer, error) { return siteOf(s.Site(ctx)) })
}

// ChangeSite changes some of it, all of the changes or none.
func ChangeSite() Op[Site, Changes, SiteAnswer] {
	return tagged(patch("/site", "change-site", pair.Administrator, "Change some of it; all of the changes or none"),
		func(s Site, ctx context.Context, changes Changes) (SiteAnswer, error) {
			now, err := s.Site(ctx)
			if err != nil {
				return SiteAnswer{}, err
			}
			if now.Site, err = changed(now.Site, now.Version, changes, "values of the site"); err != nil {
				return SiteAnswer{}, err
			}
			return siteOf(s.SaveSite(ctx, now))
		})
}

func (s *Server) serveSite() {
	serve(s, s.backend.Site, GetSite())
	serve(s, s.backend.Site, ChangeSite())
}

// SavedSite is what the site is called and shows, with the version under which it
// was saved: 0 if it never was. Versions only rise.
type SavedSite struct {
	pair.Site

	Front   Front `json:"front" doc:"Where this appliance serves the site"`
	Version int64 `json:"-"`
}

// Front is where this appliance serves the site, as its configuration file says.
type Front struct {
	Root      string   `json:"root" doc:"Directory of the files; empty: none"`
	Upstream  string   `json:"upstream" doc:"The application that is the site; empty: none"`
	HTTP      []string `json:"http" doc:"Addresses of plain HTTP"`
	SiteHTTPS []string `json:"site_https" doc:"Addresses of HTTPS, of the site alone"`
	HTTPS     []string `json:"https" doc:"Addresses of HTTPS, which console and API share"`
}

// SiteAnswer is the site, and the version that it has.
type SiteAnswer struct {
	ETag string `header:"ETag" doc:"Version of the site's description, for If-Match"`
	Body SavedSite
}

func siteOf(saved SavedSite, err error) (SiteAnswer, error) {
	return SiteAnswer{ETag: etag(saved.Version), Body: saved}, err
}
