package console

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"baton/internal/api"
	"baton/internal/pair"
)

// Root is the path of the console: sign-in is there, everything else below it.
const Root = "/login"

// Options are the console's choices.
type Options struct {
	Log *slog.Logger
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
}

// Console answers the pages.
type Console struct {
	backend  api.Backend
	log      *slog.Logger
	now      func() time.Time
	assets   *assets
	pages    templates
	sessions *scs.SessionManager
	mux      *http.ServeMux
	least    map[string]access // for each page, by path below Root

	followers *followers            // places for pages that follow
	timeline  *shared[[]pair.Event] // of the Status page
	history   *shared[[]pair.Event] // of the Failover page
}

// New returns a console whose handler is ready.
func New(backend api.Backend, options Options) (*Console, error) {
	c := &Console{backend: backend, log: options.Log, now: options.Now, mux: http.NewServeMux(), least: map[string]access{}, sessions: newSessions(backend, options.Log), followers: &followers{each: map[string]int{}}}
	if c.now == nil {
		c.now = time.Now
	}
	c.timeline = &shared[[]pair.Event]{read: c.readTimeline}
	c.history = &shared[[]pair.Event]{read: c.readHistory}
	var err error
	if c.assets, err = newAssets(); err != nil {
		return nil, fmt.Errorf("read the console's assets: %w", err)
	}
	if c.pages, err = c.templates(); err != nil {
		return nil, fmt.Errorf("read the console's pages: %w", err)
	}
	c.mux.Handle("GET "+assetPrefix, c.assets)
	for _, r := range c.routes() {
		c.mux.Handle(r.pattern(), c.guard(r))
		if r.method == http.MethodGet {
			c.least[r.path] = r.least
		}
	}
	c.mux.HandleFunc(Root+"/", c.unknown)
	return c, nil
}

// Handler answers Root and everything below it.
func (c *Console) Handler() http.Handler {
	ours := http.NewCrossOriginProtection()
	ours.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "This form came from another site, so nothing was done. Open the console itself and do it there.", http.StatusForbidden)
	}))
	return api.Paced(hardened(c.admitted(ours.Handler(c.mux))))
}
