package console

import (
	"baton/internal/api"
	"baton/internal/console/page"
)

// Routes lists all routes.
func Routes(backend api.Backend) []page.Route {
	var routes []page.Route
	for _, section := range sections(backend) {
		routes = append(routes, section.Routes...)
	}
	return routes
}
