package config

import (
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"baton/internal/pair"
)

// site checks the table of the public site; console is where the console listens.
func (c *checker) site(doc *site, console []string) *Site {
	s := &Site{}
	switch {
	case doc.Root != nil && doc.Upstream != nil:
		c.refuse("site.upstream", "root is there as well: keep root for a directory of files, or upstream for an application")
	case doc.Upstream != nil:
		s.Upstream = c.upstream("site.upstream", *doc.Upstream)
	case doc.Root != nil:
		s.Root = c.directory("site.root", *doc.Root)
	default:
		c.refuse("site", "names neither files nor an application: add %s or %s", schema()["site.root"], schema()["site.upstream"])
	}
	if doc.ListenTLS != nil {
		s.ListenTLS = c.listen("site.listen_tls", *doc.ListenTLS)
	}
	if plain := value(doc.Listen, []string{":80"}); len(plain) > 0 || len(s.ListenTLS) == 0 { // none is right beside HTTPS
		s.Listen = c.listen("site.listen", plain)
	}
	c.distinct("site.listen", "listen", console, s.Listen)
	c.distinct("site.listen_tls", "listen", console, s.ListenTLS)
	c.distinct("site.listen_tls", "site.listen", s.Listen, s.ListenTLS)
	for _, address := range append(s.Addresses(), console...) {
		if s.Upstream != nil && isItself(s.Upstream, address) {
			c.refuse("site.upstream", "%q is where Baton itself listens (%s): name the port of the application", s.Upstream.Text, address)
			break
		}
	}
	return s
}

// upstream reads where an application listens.
func (c *checker) upstream(key, text string) *Upstream {
	u := &Upstream{Text: text}
	if path, isSocket := strings.CutPrefix(text, "unix:"); isSocket {
		if parsed, err := pair.ParsePath(filepath.Clean(path)); err != nil || len(parsed) > maxSocketPath {
			c.refuse(key, "%q is not the absolute path of a socket, of at most %d bytes: write it like unix:/run/app.sock", path, maxSocketPath)
		} else {
			u.Network, u.Address = "unix", string(parsed)
		}
		return u
	}
	at, err := url.Parse(text)
	if err != nil || at.Scheme != "http" && at.Scheme != "https" || at.Opaque != "" || at.User != nil || at.Path != "" || at.RawQuery != "" || at.Fragment != "" || at.ForceQuery {
		c.refuse(key, "%q does not say where an application listens: write http://127.0.0.1:8080, https://HOST:PORT or unix:/run/app.sock, and nothing behind it", text)
		return u
	}
	port, err := strconv.ParseUint(at.Port(), 10, 16)
	if err != nil || port == 0 || at.Hostname() == "" {
		c.refuse(key, "%q has no host, or no port from 1 to 65535: write it like http://127.0.0.1:8080", text)
	}
	u.Network, u.Address, u.TLS = "tcp", at.Host, at.Scheme == "https"
	return u
}

// isItself reports whether a request to the application would come to an address of Baton's own.
func isItself(u *Upstream, listen string) bool {
	host, port, err := net.SplitHostPort(u.Address)
	at, atPort, atErr := net.SplitHostPort(listen)
	if u.Network != "tcp" || err != nil || atErr != nil || port != atPort {
		return false
	}
	there, err := netip.ParseAddr(host)
	here, hereErr := netip.ParseAddr(at)
	local := host == "localhost" || err == nil && (there.IsLoopback() || there.IsUnspecified())
	everywhere := at == "" || hereErr == nil && here.IsUnspecified()
	return local && everywhere || err == nil && hereErr == nil && there == here
}
