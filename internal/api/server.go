package api

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"baton/internal/api/pace"
	"baton/internal/guesses"
	"baton/internal/pair"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Prefix is where the interface lives; everything below it is JSON.
const Prefix = "/api/v1"

// Limits of one request.
const (
	maxBody       = 1 << 20          // bytes of an ordinary request
	readTimeout   = 20 * time.Second // for a whole ordinary request
	answerTimeout = 30 * time.Second // for a backend to answer, unless a route says otherwise
	guessBurst    = 10               // wrong tokens of one source, then one at an interval
	guessInterval = 6 * time.Second
)

// Options are the server's choices.
type Options struct {
	Log     *slog.Logger
	Version string // of the product
	// AllowMetrics says which addresses may read /metrics; nil: loopback only.
	AllowMetrics func(netip.Addr) bool
	// Now is the wall clock; nil: time.Now.
	Now func() time.Time
}

// Server answers the interface, /health and /metrics.
type Server struct {
	backend Backend
	options Options
	log     *slog.Logger
	mux     *http.ServeMux
	routes  huma.API
	guesses *guesses.Counter[netip.Prefix] // of tokens, by source
	streams chan struct{}                  // a place for each status stream
}

// NewServer returns a server whose handlers are ready.
func NewServer(backend Backend, options Options) *Server {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.AllowMetrics == nil {
		options.AllowMetrics = netip.Addr.IsLoopback
	}
	s := &Server{
		backend: backend,
		options: options,
		log:     options.Log,
		mux:     http.NewServeMux(),
		guesses: guesses.New[netip.Prefix](guessBurst, guessInterval, options.Now),
		streams: make(chan struct{}, maxStreams),
	}
	s.routes = humago.New(s.mux, documentation())
	s.routes.UseMiddleware(s.authorize)
	s.serveSubjects()
	s.mux.Handle("GET "+Prefix+"/openapi.json", document(s.routes.OpenAPI()))
	s.mux.HandleFunc("/api/", notFound)
	s.mux.HandleFunc("GET /health", s.health)
	s.mux.HandleFunc("GET /metrics", s.metrics)
	return s
}

func (s *Server) serveSubjects() {
	s.serveOverview()
	s.serveReports()
	s.serveSetup()
	s.serveKeys()
	s.serveRelationship()
	s.serveSyncs()
	s.serveRoles()
	s.serveUpkeep()
	s.serveSettings()
	s.serveAddresses()
	s.serveNotifications()
	s.serveSite()
	s.serveCertificates()
	s.serveData()
	s.serveServices()
	s.serveUsers()
	s.serveSessions()
	s.serveTokens()
	s.serveSecurity()
	s.serveDiverged()
	servePoints(s)
	s.serveBackups()
	s.serveSoftware()
}

// documentation is the frame of the OpenAPI document. The library's own pages
// stay off: they load scripts from elsewhere.
func documentation() huma.Config {
	config := huma.DefaultConfig("Baton", "1")
	config.Info.Description = "One appliance of a pair: what it is, and what it can be told to do. " +
		"x-minimum-role names the least role that a token needs for an operation."
	config.DocsPath = ""
	config.SchemasPath = ""
	config.OpenAPIPath = ""
	config.CreateHooks = nil
	config.Transformers = []huma.Transformer{tidy}
	config.Formats = map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat}
	config.RejectUnknownQueryParameters = true
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token": {Type: "http", Scheme: "bearer", Description: "An API token: baton token create"},
	}
	return config
}

// document serves the OpenAPI document, which anybody may read.
func document(openAPI *huma.OpenAPI) http.Handler {
	text, err := json.Marshal(openAPI)
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err != nil {
			newProblem(http.StatusInternalServerError, pair.Failed, "the OpenAPI document cannot be written: report this as a bug").write(w)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json;version=3.1")
		_, _ = w.Write(text) // an error means that the client has gone
	})
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	newProblem(http.StatusNotFound, pair.NotFound, "there is no such route; "+Prefix+"/openapi.json lists them").write(w)
}

// Network answers clients from the network: a bearer token says who asks.
func (s *Server) Network() http.Handler { return pace.Paced(limited(s.mux, readTimeout)) }

// Local answers the local socket: its callers are administrators, known by the
// credentials that ConnContext has put into the context. Without those nothing
// is answered.
func (s *Server) Local() http.Handler {
	inner := pace.Paced(limited(s.mux, readTimeout))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if caller, known := CallerFrom(r.Context()); !known || !caller.Local {
			newProblem(http.StatusForbidden, pair.Forbidden, "this socket cannot tell who is calling: use the one that the daemon opened").write(w)
			return
		}
		inner.ServeHTTP(w, r)
	})
}

// limited bounds what one request may send and how long that may take. A request
// without a body has been sent already: a deadline would only cut its answer.
func limited(next http.Handler, lasting time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		size, lasting := int64(maxBody), lasting
		if r.URL.Path == restorePath || r.URL.Path == inspectPath {
			size, lasting = MaxBackup, backupTimeout
		}
		r.Body = http.MaxBytesReader(w, r.Body, size)
		if r.ContentLength != 0 {
			r.Body = pace.TimedBody(w, r.Body, lasting)
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	health := s.backend.Overview.Health(r.Context())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !health.Serving {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write([]byte(health.Text + "\n")) // an error means that the client has gone
}
