package pair

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// HealthCheck says how one finds out whether something answers as it should. The zero value is
// no check.
type HealthCheck struct {
	URL  string // http://... or https://...: a GET must be answered with a status from 200 to 399
	TCP  string // host:port: a connection must be accepted
	Exec string // a line for /bin/sh: it must end with exit code 0
}

// ParseSiteCheck reads the check of the whole site, or nothing for no check.
func ParseSiteCheck(text string) (HealthCheck, error) {
	check, err := ParseCheck(text)
	if err != nil || check.Exec != "" {
		return HealthCheck{}, fmt.Errorf("%.200q is no site check: write an http address, best that of the shared IP, as http://198.51.100.10/, or a host and port, as tcp:198.51.100.10:8080, or nothing", strings.TrimSpace(text))
	}
	return check, nil
}

// ParseCheck reads http://HOST[:PORT]/PATH, the same with https, tcp:HOST:PORT, exec:LINE, or
// nothing for no check.
func ParseCheck(text string) (HealthCheck, error) {
	text = strings.TrimSpace(text)
	refusal := fmt.Errorf("%.200q is no check: write an address, as http://127.0.0.1:8080/health, a host and port, as tcp:127.0.0.1:5432, or a line for the shell, as exec:/usr/bin/pg_isready -q", text)
	if text == "" {
		return HealthCheck{}, nil
	}
	if line, found := strings.CutPrefix(text, "exec:"); found {
		if line = strings.TrimSpace(line); line == "" || Unprintable(line) {
			return HealthCheck{}, refusal
		}
		return HealthCheck{Exec: line}, nil
	}
	if address, found := strings.CutPrefix(text, "tcp:"); found {
		if port, ok := portOf(address); !ok || port == "" {
			return HealthCheck{}, refusal
		}
		return HealthCheck{TCP: address}, nil
	}
	rest, found := strings.CutPrefix(text, "http://")
	if !found {
		rest, found = strings.CutPrefix(text, "https://")
	}
	authority := rest
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		authority = rest[:end]
	}
	if _, ok := portOf(authority); !found || !ok || !isPath(rest[len(authority):]) {
		return HealthCheck{}, refusal
	}
	return HealthCheck{URL: text}, nil
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

// Unprintable reports whether a text has line breaks, control characters, or others that a terminal does not show as they
// are: what turns the direction of writing around, what has no width, and what is no UTF-8.
func Unprintable(text string) bool {
	return !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) })
}

// IsZero reports whether there is no check.
func (c HealthCheck) IsZero() bool { return c == HealthCheck{} }

// String renders the check so that ParseCheck reads it back.
func (c HealthCheck) String() string {
	switch {
	case c.TCP != "":
		return "tcp:" + c.TCP
	case c.Exec != "":
		return "exec:" + c.Exec
	}
	return c.URL
}

// MarshalText implements encoding.TextMarshaler.
func (c HealthCheck) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *HealthCheck) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCheck(string(text))
	return err
}
