package console

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// guard lets a request through to a route if its visitor may do that, here.
func (c *Console) guard(route route) http.Handler {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := int64(maxForm)
		switch {
		case route.upload > 0:
			limit = route.upload
		case route.least == anybody:
			limit = maxSmallForm
		}
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		v, err := c.newVisit(w, r)
		if err == nil {
			err = c.enter(v, route)
		}
		if err != nil {
			c.fail(v, err)
		}
	})
	return c.sessions.LoadAndSave(inner)
}

func (c *Console) newVisit(w http.ResponseWriter, r *http.Request) (*visit, error) {
	v := &visit{console: c, w: w, r: r, zone: time.UTC, caller: c.visitor(r)}
	v.r = r.WithContext(api.WithCaller(r.Context(), v.caller))
	v.use()
	var err error
	if v.status, err = c.backend.Overview.Status(v.ctx()); err != nil {
		return v, err
	}
	settings, err := c.backend.Settings.Settings(v.ctx())
	if err != nil {
		return v, err
	}
	v.zone = settings.Values.Location()
	return v, nil
}

// enter answers a route, or says why not.
func (c *Console) enter(v *visit, route route) error {
	switch {
	case route.least != anybody && !v.signedIn():
		return v.signInFirst()
	case !v.may(route.least):
		return pair.Refuse(pair.Forbidden, "your role is %s, and this needs the role %s: ask an administrator", v.caller.Access, route.least)
	case !route.backup && v.status.Role == pair.Backup:
		return v.warn("/status", "This appliance is the backup: it gets "+subject(route.path)+" from its primary, where you can see and change it.")
	}
	return route.handle(v)
}

// subject names what a path is about, as the tabs do.
func subject(path string) string {
	names := map[string]string{"site": "the site", "protection": "the protected data", "users": "the users", "reports": "the reports"}
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if name, known := names[first]; known {
		return name
	}
	return "this"
}

// signInFirst leads to the sign-in, and from there back to the page. Who comes by
// a link on another site, as in webmail, may be signed in: the browser keeps the
// cookie back on such ways (SameSite), so the page is asked for once more by our own.
func (v *visit) signInFirst() error {
	if v.r.Header.Get("Accept") == "text/event-stream" || v.r.Method != http.MethodGet || v.r.Header.Get("HX-Request") != "" {
		return pair.Refuse(pair.Unauthorized, "your session has ended: sign in again")
	}
	if v.r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return v.page("arrival", "One moment", nil)
	}
	return v.leave("?next=" + url.QueryEscape(v.r.URL.RequestURI()))
}

// unknown answers a path that no route has.
func (c *Console) unknown(w http.ResponseWriter, r *http.Request) {
	c.guard(route{least: viewer, backup: true, handle: func(*visit) error {
		return pair.Refuse(pair.NotFound, "there is no page %s: follow one of the tabs", r.URL.Path)
	}}).ServeHTTP(w, r)
}

// fail shows an error that is not about one form.
func (c *Console) fail(v *visit, err error) {
	code := pair.CodeOf(err)
	text := err.Error()
	if _, known := errors.AsType[*pair.Refusal](err); !known {
		c.log.Error("page failed", slog.String("path", v.r.URL.Path), slog.String("error", err.Error()))
		text = "This did not work for a reason that is in the appliance's log: look there, then try again."
	}
	problem := problem{Status: statusOf(code), Text: sentence(text)}
	if failure := v.show(problem.Status, "error", http.StatusText(problem.Status), problem); failure != nil {
		c.log.Error("error page failed", slog.String("error", failure.Error()))
		http.Error(v.w, problem.Text, problem.Status)
	}
}

// problem is what the error page shows.
type problem struct {
	Status int
	Text   string
}

func statusOf(code pair.Code) int {
	switch code {
	case pair.Usage:
		return http.StatusUnprocessableEntity
	case pair.Refused, pair.Stale:
		return http.StatusConflict
	case pair.Unreachable:
		return http.StatusBadGateway
	case pair.Unauthorized:
		return http.StatusUnauthorized
	case pair.Forbidden:
		return http.StatusForbidden
	case pair.NotFound:
		return http.StatusNotFound
	case pair.TooMany:
		return http.StatusTooManyRequests
	case pair.Unconfirmed:
		return http.StatusGatewayTimeout
	case pair.Failed:
	}
	return http.StatusInternalServerError
}

// remote returns the visitor's address as the connection has it. Headers that
// proxies set are not believed.
func remote(r *http.Request) string {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	return from.Addr().Unmap().WithZone("").String()
}
