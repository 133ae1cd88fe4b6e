package page

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"baton/internal/api"
	"baton/internal/api/pace"
)

// Root is the path of the console: sign-in is there, everything else below it.
const Root = "/login"

// Options are the console's choices.
type Options struct {
	Log *slog.Logger
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
}

// Backend is what the frame of every page needs of the appliance.
type Backend struct {
	Overview api.Overview
	Settings api.Settings // the time zone
	Site     api.Site     // where the TLS port listens
	Sessions api.Sessions
	Security api.Security // which addresses may ask
}

// Server answers the pages.
type Server struct {
	backend   Backend
	log       *slog.Logger
	now       func() time.Time
	assets    *assets
	templates templates
	live      map[string]Live // by template name
	tabs      []Tab
	sessions  *scs.SessionManager
	mux       *http.ServeMux
	pages     map[string]Route // those of method GET, by path below Root
	followers *followers       // places for pages that follow
}

// New returns a server of sections, whose handler is ready.
func New(backend Backend, options Options, tabs []Tab, sections []Section) (*Server, error) {
	s := &Server{
		backend: backend, log: options.Log, now: options.Now, tabs: tabs, templates: templates{}, live: map[string]Live{}, pages: map[string]Route{},
		mux: http.NewServeMux(), sessions: newSessions(backend.Sessions, options.Log), followers: &followers{each: map[string]int{}},
	}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	if s.assets, err = newAssets(); err != nil {
		return nil, fmt.Errorf("read the console's assets: %w", err)
	}
	s.mux.Handle("GET "+assetPrefix, s.assets)
	for _, section := range sections {
		if err := s.add(section); err != nil {
			return nil, fmt.Errorf("read the console's pages: %w", err)
		}
	}
	s.mux.HandleFunc(Root+"/", s.unknown)
	return s, nil
}

// add adds the pages of a section.
func (s *Server) add(section Section) error {
	for _, r := range section.Routes {
		s.mux.Handle(r.pattern(), s.guard(r))
		if r.Method == http.MethodGet {
			s.pages[r.Path] = r
		}
	}
	for _, live := range section.Live {
		s.live[live.Page] = live
	}
	return s.templates.add(section.Templates, s.funcs())
}

// Handler answers Root and everything below it.
func (s *Server) Handler() http.Handler {
	ours := http.NewCrossOriginProtection()
	ours.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "This form came from another site, so nothing was done. Open the console itself and do it there.", http.StatusForbidden)
	}))
	return pace.Paced(hardened(s.admitted(ours.Handler(s.mux))))
}
