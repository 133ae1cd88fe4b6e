package page

import (
	"embed"
	"io/fs"
	"net/http"

	"baton/internal/pair"
)

// Section is the pages of one subject.
type Section struct {
	Routes []Route
	// Templates holds templates/NAME.html for each page, and what they share in
	// templates/parts.
	Templates fs.FS
	Live      []Live // pages that follow more than the frame
}

// Route is one thing that the console answers.
type Route struct {
	Method string
	Path   string // below Root; may hold {name}
	// Least is the access that a visitor needs at least, or Anybody.
	Least pair.Access
	// FromPrimary names what a backup gets from its primary, as "the site": on a backup,
	// the route leads to the status, with the reason. Empty: the route is the same on both.
	FromPrimary string
	MaxBody     int64 // bytes; 0: MaxForm
	Handle      func(*Visit) error
}

// Anybody is the access to a route that asks for none.
const Anybody pair.Access = "anybody"

func (r Route) pattern() string { return r.Method + " " + Root + r.Path }

// Get is a page.
func Get(path string, least pair.Access, handle func(*Visit) error) Route {
	return Route{Method: http.MethodGet, Path: path, Least: least, Handle: handle}
}

// Post is an action.
func Post(path string, least pair.Access, handle func(*Visit) error) Route {
	return Route{Method: http.MethodPost, Path: path, Least: least, Handle: handle}
}

// Submit is an action with a form; id is that of the form.
func Submit(path string, least pair.Access, id string, handle func(*Visit, *Form) error) Route {
	return Post(path, least, func(v *Visit) error {
		f, err := v.Form(id)
		if err != nil {
			return err
		}
		return handle(v, f)
	})
}

// Upload is an action whose form may have so many bytes.
func Upload(path string, least pair.Access, most int64, handle func(*Visit) error) Route {
	r := Post(path, least, handle)
	r.MaxBody = most
	return r
}

// FromPrimary are routes about what a backup gets from its primary.
func FromPrimary(what string, routes ...Route) []Route {
	for i := range routes {
		routes[i].FromPrimary = what
	}
	return routes
}

//go:embed assets icons templates
var frameFiles embed.FS

// Frame is the section of what belongs to every page.
func Frame() Section {
	return Section{Templates: frameFiles, Routes: []Route{
		Get("/live", pair.Viewer, follow),
		Get("/moved", Anybody, func(v *Visit) error { return v.Page("moved", "Moved", v.moved(v.Request.URL.Query().Get("seen"))) }),
		Post("/theme", Anybody, chooseTheme),
	}}
}
