package page

import (
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// guard lets a request through to a route if its visitor may do that, here.
func (s *Server) guard(route Route) http.Handler {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := int64(MaxForm)
		switch {
		case route.MaxBody > 0:
			limit = route.MaxBody
		case route.Least == Anybody:
			limit = maxSmallForm
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		v, err := s.newVisit(w, r)
		if err == nil {
			err = s.enter(v, route)
		}
		if err != nil {
			s.fail(v, err)
		}
	})
	return s.sessions.LoadAndSave(inner)
}

func (s *Server) newVisit(w http.ResponseWriter, r *http.Request) (*Visit, error) {
	v := &Visit{Writer: w, Zone: time.UTC, Caller: s.visitor(r), server: s}
	v.Request = r.WithContext(api.WithCaller(r.Context(), v.Caller))
	v.use()
	var err error
	if v.Status, err = s.backend.Overview.Status(v.Context()); err != nil {
		return v, err
	}
	settings, err := s.backend.Settings.Settings(v.Context())
	if err != nil {
		return v, err
	}
	v.Zone = settings.Values.Location()
	return v, nil
}

// enter answers a route, or says why not.
func (s *Server) enter(v *Visit, route Route) error {
	switch {
	case route.Least != Anybody && !v.SignedIn():
		return v.signInFirst()
	case !v.May(route.Least):
		return pair.Refuse(pair.Forbidden, "your role is %s, and this needs the role %s: ask an administrator", v.Caller.Access, route.Least)
	case route.FromPrimary != "" && v.Status.Role == pair.Backup:
		return v.Warn("/status", "This appliance is the backup: it gets "+route.FromPrimary+" from its primary, where you can see and change it.")
	}
	return route.Handle(v)
}

// signInFirst leads to the sign-in, and from there back to the page. A visitor who
// follows a link on another site, as in webmail, may be signed in already: the browser
// does not send the cookie then (SameSite), so a page of ours asks once more.
func (v *Visit) signInFirst() error {
	if v.Request.Header.Get("Accept") == "text/event-stream" || v.Request.Method != http.MethodGet || v.Request.Header.Get("HX-Request") != "" {
		return pair.Refuse(pair.Unauthorized, "your session has ended: sign in again")
	}
	if v.Request.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return v.Page("arrival", "One moment", nil)
	}
	to := url.Values{"next": {v.Request.URL.RequestURI()}}
	if seen := v.Request.URL.Query().Get("seen"); seen != "" { // what has moved is told there already
		to.Set("seen", seen)
	}
	return v.Leave("?" + to.Encode())
}

// unknown answers a path that no route has.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request) {
	s.guard(Route{Least: pair.Viewer, Handle: func(*Visit) error {
		return pair.Refuse(pair.NotFound, "there is no page %s: follow one of the tabs", r.URL.Path)
	}}).ServeHTTP(w, r)
}

// fail shows an error that is not about one form.
func (s *Server) fail(v *Visit, err error) {
	text := err.Error()
	if pair.RefusalOf(err) == nil {
		s.log.Error("page failed", slog.String("path", v.Request.URL.Path), slog.String("error", err.Error()))
		text = "This did not work for a reason that is in the appliance's log: look there, then try again."
	}
	problem := problem{Status: StatusOf(err), Text: Sentence(text)}
	if failure := v.Show(problem.Status, "error", http.StatusText(problem.Status), problem); failure != nil {
		s.log.Error("error page failed", slog.String("error", failure.Error()))
		http.Error(v.Writer, problem.Text, problem.Status)
	}
}

// problem is what the error page shows.
type problem struct {
	Status int
	Text   string
}

// StatusOf is the HTTP status of an error: that of the API, but for a stale form, which
// has no precondition that a browser knows of.
func StatusOf(err error) int {
	code := pair.CodeOf(err)
	if code == pair.Stale {
		return http.StatusConflict
	}
	return api.StatusOf(code)
}

// remote returns the visitor's address as the connection has it. Headers that
// proxies set are ignored.
func remote(r *http.Request) string {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	return from.Addr().Unmap().WithZone("").String()
}
