package pair

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Site is what the site is called and what it shows. JSON names are the keys of
// the command line.
type Site struct {
	Name     string `json:"name"`      // as people know it; empty: none
	HostName string `json:"host_name"` // under which people reach it; empty: by address only
	Title    string `json:"title"`     // of the public page
	Message  string `json:"message"`   // of the public page: plain text, a blank line between paragraphs
}

// Limits of what the site shows, in characters.
const (
	MaxSiteName    = 100
	MaxSiteTitle   = 200
	MaxSiteMessage = 5000
)

// Keys implements Keyed. Line ends become "\n" and a host name lower case.
func (Site) Keys() []Key[Site] {
	lower := func(text string) (string, error) { return strings.ToLower(text), nil }
	lines := func(text string) (string, error) {
		return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")), nil
	}
	same := func(text string) string { return text }
	return []Key[Site]{
		keyOf("name", "Site name", func(s *Site) *string { return &s.Name }, same, lines).
			checked(func(s Site) error { return checkText(s.Name, MaxSiteName, isControl) }),
		keyOf("host_name", "Host name", func(s *Site) *string { return &s.HostName }, same, lower).
			checked(func(s Site) error { return checkHostName(s.HostName) }),
		keyOf("title", "Title", func(s *Site) *string { return &s.Title }, same, lines).
			checked(func(s Site) error { return checkText(s.Title, MaxSiteTitle, isControl) }),
		keyOf("message", "Message", func(s *Site) *string { return &s.Message }, same, lines).
			checked(func(s Site) error {
				return checkText(s.Message, MaxSiteMessage, func(r rune) bool { return r != '\n' && r != '\t' && isControl(r) })
			}),
	}
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

func checkText(text string, most int, forbidden func(rune) bool) error {
	switch {
	case strings.ToValidUTF8(text, "") != text:
		return errors.New("this is not text in UTF-8: type it anew")
	case len([]rune(text)) > most:
		return fmt.Errorf("use at most %d characters; these are %d", most, len([]rune(text)))
	case strings.ContainsFunc(text, forbidden):
		return errors.New("leave out line breaks, tabs and other control characters")
	}
	return nil
}

// checkHostName applies RFC 1123, section 2.1: letters, digits and dashes, in
// labels of 63, 253 in all.
func checkHostName(name string) error {
	if name == "" {
		return nil
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return errors.New("this is an address: write a name, as www.example.org, or nothing if the site has none")
	}
	labels := strings.Split(name, ".")
	if len(name) > 253 || !slices.ContainsFunc([]rune(labels[len(labels)-1]), isLetter) {
		return errors.New("write a name of at most 253 characters, as www.example.org, without https:// and port")
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notOfHost) {
			return errors.New("write a name of letters, digits and dashes between dots, as www.example.org, without https:// and port; others in their xn-- form")
		}
	}
	return nil
}

func isLetter(r rune) bool  { return r >= 'a' && r <= 'z' }
func notOfHost(r rune) bool { return !isLetter(r) && (r < '0' || r > '9') && r != '-' }
