package proxy

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"slices"
	"strings"
)

// odd returns the status for a request that no application is asked with; 0 for all others.
func odd(r *http.Request) int {
	switch {
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		return http.StatusMethodNotAllowed
	case r.URL.Opaque != "" || !strings.HasPrefix(r.URL.Path, "/") || !isPlain(r.URL.RequestURI()) || !isPlain(r.Host) || !isPlain(r.Method):
		return http.StatusBadRequest
	}
	return 0
}

// isPlain reports whether a text is one word in the first line of a request.
func isPlain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// rewrite makes the request that ReverseProxy asks the application with.
func (s *Site) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	s.tell(r.Out, r.In)
	if !isWebsocket(r.In) {
		delete(r.Out.Header, "Connection")
		delete(r.Out.Header, "Upgrade")
	}
}

// tell changes what the application is asked with to what it may be told of the client, that is from its
// connection only.
func (s *Site) tell(asks, client *http.Request) {
	if asks.Host == "" {
		asks.Host = "upstream" // a client of HTTP/1.0
	}
	for name := range asks.Header {
		if isOurs(name) {
			delete(asks.Header, name)
		}
	}
	if from, _, err := net.SplitHostPort(client.RemoteAddr); err == nil {
		asks.Header["X-Forwarded-For"] = []string{from}
	}
	asks.Header["X-Forwarded-Host"], asks.Header["X-Forwarded-Proto"] = []string{client.Host}, []string{"http"}
	if client.TLS != nil {
		asks.Header["X-Forwarded-Proto"] = []string{"https"}
	}
	delete(asks.Header, "Expect") // whoever waits is told to send when the body is read
	if cookies := asks.Header["Cookie"]; s.options.Cookie != "" && slices.ContainsFunc(cookies, s.mayHaveOurs) {
		asks.Header["Cookie"] = s.withoutOurs(cookies)
	}
}

// isOurs reports whether a header is one by which an application learns something from the
// server in front of it. Some applications take an underscore for a dash.
func isOurs(name string) bool {
	if strings.Contains(name, "_") {
		name = textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
	}
	switch name {
	case "Forwarded", "X-Real-Ip", "Proxy": // the last becomes HTTP_PROXY in CGI
		return true
	}
	return strings.HasPrefix(name, "X-Forwarded-") || strings.HasPrefix(name, "X-Baton-")
}

func (s *Site) mayHaveOurs(cookies string) bool { return strings.Contains(cookies, s.options.Cookie) }

// withoutOurs takes a cookie out.
func (s *Site) withoutOurs(cookies []string) (others []string) {
	for _, line := range cookies {
		if s.mayHaveOurs(line) {
			parts := slices.DeleteFunc(strings.Split(line, ";"), s.isOurCookie)
			line = strings.TrimSpace(strings.Join(parts, ";"))
		}
		if line != "" {
			others = append(others, line)
		}
	}
	return others
}

func (s *Site) isOurCookie(text string) bool {
	name, _, _ := strings.Cut(text, "=")
	return strings.TrimSpace(name) == s.options.Cookie
}

// modify makes the answer that the client gets.
func (s *Site) modify(res *http.Response) {
	for name := range res.Header {
		if strings.HasPrefix(name, "X-Baton-") {
			delete(res.Header, name)
		}
	}
	if set := res.Header["Set-Cookie"]; s.options.Cookie != "" && len(set) > 0 {
		res.Header["Set-Cookie"] = slices.DeleteFunc(set, s.isOurCookie)
	}
	announceClose(res.Header, res.Request)
	if IsEndless(res) {
		res.Body = endStream(res)
	}
}
