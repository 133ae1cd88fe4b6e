package listen

import (
	"net"
	"net/http"
	"strings"
)

// The TLS port answers for the public site and for the console. A browser would take both
// for one origin, and a script among the site's files could act for an administrator who is
// signed in. So there is no console at the site's host name. Everywhere else, where both
// are, the site's pages get an origin of their own: they can run, and reach neither the
// console nor what browsers keep.

// sandbox is the policy for the site's pages where the console answers, too.
const sandbox = "sandbox allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox allow-modals allow-downloads"

// asked reports whether a request is for the site by its host name.
func (p *Public) asked(r *http.Request) bool {
	name := p.hostName.Load()
	if name == nil || *name == "" {
		return false
	}
	host := r.Host
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	return strings.TrimSuffix(strings.ToLower(host), ".") == *name
}

// besideConsole is the site where the console answers at other names.
func (p *Public) besideConsole(site http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.asked(r) {
			w.Header().Set("Content-Security-Policy", sandbox)
		}
		site.ServeHTTP(w, r)
	})
}

// besideSite is the console; at the site's host name another handler answers in its place.
func (p *Public) besideSite(console, inItsPlace http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.asked(r) {
			inItsPlace.ServeHTTP(w, r)
			return
		}
		console.ServeHTTP(w, r)
	})
}

// withoutWorkers refuses scripts of service workers where the console is: a browser
// would have the worker answer for the console's pages. A worker that is left from the time
// when a name was the site's is removed when the browser looks for a newer script.
func (p *Public) withoutWorkers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Service-Worker") != "" && !p.asked(r) {
			w.Header().Set("Clear-Site-Data", `"storage"`)
			http.Error(w, "No service worker may be where the console is.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
