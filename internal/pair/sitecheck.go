package pair

import (
	"fmt"
	"strconv"
	"strings"
)

// SiteCheck says how a primary finds out whether its site answers. The zero value is
// no check.
type SiteCheck struct {
	URL string // http://...: a GET must be answered with a status from 200 to 399
	TCP string // host:port: a connection must be accepted
}

// ParseSiteCheck reads http://HOST[:PORT]/PATH, tcp:HOST:PORT, or nothing for no check.
func ParseSiteCheck(text string) (SiteCheck, error) {
	text = strings.TrimSpace(text)
	refusal := fmt.Errorf("%.200q is no site check: write an http address, best that of the shared IP, as http://198.51.100.10/, or a host and port, as tcp:198.51.100.10:8080, or nothing", text)
	if text == "" {
		return SiteCheck{}, nil
	}
	if address, found := strings.CutPrefix(text, "tcp:"); found {
		if port, ok := portOf(address); !ok || port == "" {
			return SiteCheck{}, refusal
		}
		return SiteCheck{TCP: address}, nil
	}
	rest, found := strings.CutPrefix(text, "http://")
	authority := rest
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		authority = rest[:end]
	}
	if _, ok := portOf(authority); !found || !ok || !isPath(rest[len(authority):]) {
		return SiteCheck{}, refusal
	}
	return SiteCheck{URL: text}, nil
}

// portOf reads HOST, HOST:PORT, and both with an IPv6 address in brackets, and returns
// the port; empty: none is named.
func portOf(text string) (port string, ok bool) {
	host, rest := text, ""
	if inner, found := strings.CutPrefix(text, "["); found {
		if host, rest, found = strings.Cut(inner, "]"); !found || !strings.Contains(host, ":") {
			return "", false
		}
	} else if colon := strings.IndexByte(text, ':'); colon >= 0 {
		host, rest = text[:colon], text[colon:]
	}
	if rest != "" {
		number, err := strconv.ParseUint(strings.TrimPrefix(rest, ":"), 10, 16)
		if err != nil || number == 0 || rest[0] != ':' {
			return "", false
		}
		port = rest[1:]
	}
	strange := strings.IndexFunc(host, func(r rune) bool {
		return !strings.ContainsRune("-._:", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
	return port, host != "" && strange < 0
}

// isPath reports whether text may follow the authority of an address.
func isPath(text string) bool {
	for i, r := range text {
		if r <= ' ' || r >= 0x7f || r == '#' {
			return false
		}
		if r != '%' {
			continue
		}
		if len(text) < i+3 {
			return false
		}
		if _, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err != nil {
			return false
		}
	}
	return true
}

// IsZero reports whether there is no check.
func (c SiteCheck) IsZero() bool { return c == SiteCheck{} }

// String renders the check so that ParseSiteCheck reads it back.
func (c SiteCheck) String() string {
	if c.TCP != "" {
		return "tcp:" + c.TCP
	}
	return c.URL
}
