package console

import (
	"net/http"
	"slices"

	"baton/internal/pair"
)

// route is one thing that the console answers.
type route struct {
	method string
	path   string // below Root; may hold {name}
	least  access
	// backup says that it exists on a backup, too. Elsewhere a backup leads to
	// its status, with the reason.
	backup bool
	handle func(*visit) error
	upload int64 // most bytes of the body; 0: maxForm
}

// access is the least that a visitor needs for a route.
type access string

// The levels: those of the API, and anybody.
const (
	anybody       access = "anybody"
	viewer               = access(pair.Viewer)
	operator             = access(pair.Operator)
	administrator        = access(pair.Administrator)
)

func (r route) pattern() string { return r.method + " " + Root + r.path }

// routes is the whole console. Each page's file lists its own.
func (c *Console) routes() []route {
	return slices.Concat(
		c.signInRoutes(),
		c.liveRoutes(),
		c.themeRoutes(),
		c.statusRoutes(),
		c.siteRoutes(),
		c.protectionRoutes(),
		c.reportRoutes(),
		c.failoverRoutes(),
		c.userRoutes(),
		c.securityRoutes(),
		c.accountRoutes(),
		c.notificationRoutes(),
		c.softwareRoutes(),
		c.tokenRoutes(),
	)
}

// get is a page that can be looked at on either side of a pair.
func get(path string, least access, handle func(*visit) error) route {
	return route{method: http.MethodGet, path: path, least: least, backup: true, handle: handle}
}

// post is an action that can be taken on either side of a pair.
func post(path string, least access, handle func(*visit) error) route {
	return route{method: http.MethodPost, path: path, least: least, backup: true, handle: handle}
}

// siteOnly are routes of what a backup gets from its primary.
func siteOnly(routes ...route) []route {
	for i := range routes {
		routes[i].backup = false
	}
	return routes
}
