package page

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"baton/internal/api"
	"baton/internal/api/pace"
	"baton/internal/pair"
)

// AtSite answers in the console's place at the site's host name: with the reason
// why it is not there, and where it is. It knows no session and sets no cookie.
func (s *Server) AtSite() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+assetPrefix, s.assets)
	mux.HandleFunc("/", s.notHere)
	return pace.Paced(hardened(mux))
}

// notHere refuses. Nothing that the request says becomes part of the answer.
func (s *Server) notHere(w http.ResponseWriter, r *http.Request) {
	var places []Link
	if s.admits(r) { // it does not name its addresses to clients that it does not answer
		var err error
		if places, err = s.places(r.Context()); err != nil {
			s.log.Error("the addresses of the console are not known", slog.String("error", err.Error()))
		}
	}
	if wantsJSON(r) {
		text := "the console does not answer at the site's host name, so that nothing of the site can act in it: ask at an address of an appliance"
		if len(places) > 0 {
			text += ", as " + places[0].Href
		}
		api.Refuse(w, pair.Refuse(pair.Forbidden, "%s", text))
		return
	}
	var page bytes.Buffer
	if err := s.templates.render(&page, "at-site", "page", view{Data: places}); err != nil {
		s.log.Error("page failed", slog.String("path", r.URL.Path), slog.String("error", err.Error()))
		http.Error(w, "The console does not answer at the site's host name: open /login at an address of an appliance.", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write(page.Bytes()) // an error means that the client has gone
}

// wantsJSON reports whether a program asks.
func wantsJSON(r *http.Request) bool {
	accepted := strings.Join(r.Header.Values("Accept"), ",")
	return strings.Contains(accepted, "json") && !strings.Contains(accepted, "text/html")
}

// places leads to the consoles of the pair: at the shared IPs, here and at the peer.
func (s *Server) places(ctx context.Context) ([]Link, error) {
	status, err := s.backend.Overview.Status(ctx)
	if err != nil {
		return nil, err
	}
	site, err := s.backend.Site.Site(ctx)
	if err != nil {
		return nil, err
	}
	places := sharedLinks(status, site.Front.HTTPS)
	for _, at := range ownAddresses(status, site.Front.HTTPS) {
		places = append(places, Link{Label: status.Appliance.Name, Href: "https://" + consoleHost(at.Addr().String(), strconv.Itoa(int(at.Port()))) + Root})
	}
	if status.Peer != nil && status.Peer.Address != "" {
		places = append(places, peerLink(status))
	}
	return places, nil
}
