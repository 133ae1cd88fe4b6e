package proxy

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Requests without a body are most of what a site is asked for. They are passed on here, just as ReverseProxy would
// do it (a test compares them), but with less of the processor: ReverseProxy copies all of a request, and traces it.

// pass asks the application for what a request without a body asks for, and passes its answer on.
func (s *Site) pass(w http.ResponseWriter, r *http.Request) {
	res, err := s.upstream.RoundTrip(s.withoutBody(r))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer func() { _ = res.Body.Close() }()
	dropHops(res.Header)
	s.modify(res)
	header := w.Header()
	addAll(header, "", res.Header)
	announced := len(res.Trailer)
	if announced > 0 {
		header.Add("Trailer", strings.Join(slices.Collect(maps.Keys(res.Trailer)), ", "))
	}
	w.WriteHeader(res.StatusCode)
	if err := s.passBody(w, res); err != nil {
		panic(http.ErrAbortHandler) // never may it look whole
	}
	switch {
	case len(res.Trailer) == 0:
		return
	case len(res.Trailer) == announced:
		addAll(header, "", res.Trailer)
	default:
		addAll(header, http.TrailerPrefix, res.Trailer)
	}
	_ = http.NewResponseController(w).Flush() // else a small body has a length, and no trailers
}

// withoutBody makes the request that the application is asked with.
func (s *Site) withoutBody(r *http.Request) *http.Request {
	asks := r.WithContext(r.Context())
	asks.Header, asks.Body, asks.Close = maps.Clone(r.Header), nil, false
	dropHops(asks.Header)
	if httpguts.HeaderValuesContainsToken(r.Header["Te"], "trailers") {
		asks.Header["Te"] = []string{"trailers"}
	}
	if _, has := asks.Header["User-Agent"]; !has {
		asks.Header["User-Agent"] = nil // not net/http's
	}
	s.tell(asks, r)
	return asks
}

// passBody passes the body of an answer on. One of unknown length goes on piece by piece, as it comes.
func (s *Site) passBody(w http.ResponseWriter, res *http.Response) error {
	flush := func() {}
	if res.ContentLength < 0 || kind(res) == eventStream {
		flush = func() { _ = http.NewResponseController(w).Flush() } // a client that is gone takes no further piece
		flush()
	}
	if res.Body == http.NoBody {
		return nil
	}
	buffer := s.buffers.Get()
	defer s.buffers.Put(buffer)
	for {
		n, err := res.Body.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return err
			}
			flush()
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// addAll adds headers to others, under names that begin with a prefix.
func addAll(to http.Header, prefix string, from http.Header) {
	for name, values := range from {
		to[prefix+name] = append(to[prefix+name], values...)
	}
}

// dropHops removes what is said of the connection, and no further (RFC 9110, section 7.6.1).
func dropHops(header http.Header) {
	for _, names := range header["Connection"] {
		for name := range strings.SplitSeq(names, ",") {
			header.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range [...]string{"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade"} {
		delete(header, name)
	}
}
