package listen

import (
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"

	"baton/internal/front/proxy"
	"baton/internal/peer/wire"
)

// At the end of a planned switch the former primary passes the requests that it holds on to
// the new one, over the link of the pair. What the link's own request cannot say of them
// stands in these headers, which no client's request keeps.
const (
	uriHeader    = "Baton-Passed-Uri"
	hostHeader   = "Baton-Passed-Host"
	clientHeader = "Baton-Passed-Client" // its address and port
	tlsHeader    = "Baton-Passed-Tls"    // "1": the client came by HTTPS
)

// passingOn has the peer answer a request. If it does not, the client's connection ends
// without an answer: whether the peer has got the request is not known.
func passingOn(toPeer http.RoundTripper, log *slog.Logger) http.Handler {
	return &httputil.ReverseProxy{
		Transport:     toPeer,
		FlushInterval: -1,
		ErrorLog:      slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Rewrite: func(r *httputil.ProxyRequest) {
			in := r.In
			r.Out.URL = &url.URL{Scheme: "http", Host: "peer:443", Path: wire.PathSite}
			r.Out.Host = ""
			for header, value := range map[string]string{uriHeader: in.URL.RequestURI(), hostHeader: in.Host, clientHeader: in.RemoteAddr} {
				r.Out.Header.Set(header, value)
			}
			for _, header := range []string{tlsHeader, "Upgrade", "Connection", "Expect"} { // the link knows none of them
				r.Out.Header.Del(header)
			}
			if in.TLS != nil {
				r.Out.Header.Set(tlsHeader, "1")
			}
		},
		ModifyResponse: func(res *http.Response) error {
			if proxy.IsEndless(res) { // it ends at once, and its client asks anew
				_ = res.Body.Close()
				res.Body = http.NoBody
			}
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) {
			log.Warn("a request had no answer from the new primary", slog.String("path", r.URL.Path), slog.Any("error", err))
			panic(http.ErrAbortHandler)
		},
	}
}

// PassedOn answers the requests of clients that the peer passes on.
func (d Doors) PassedOn() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, passed *http.Request) {
		asked, err := url.ParseRequestURI(passed.Header.Get(uriHeader))
		if err != nil {
			http.Error(w, "no request of a client was passed on", http.StatusBadRequest)
			return
		}
		r := passed.Clone(passed.Context())
		r.URL, r.RequestURI = asked, passed.Header.Get(uriHeader)
		r.Host, r.RemoteAddr, r.TLS = passed.Header.Get(hostHeader), passed.Header.Get(clientHeader), nil
		if passed.Header.Get(tlsHeader) != "" {
			r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true}
		}
		for _, header := range []string{uriHeader, hostHeader, clientHeader, tlsHeader} {
			r.Header.Del(header)
		}
		d.fromPeer.ServeHTTP(w, r)
	})
}
