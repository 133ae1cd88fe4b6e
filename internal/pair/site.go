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

// SiteKeys lists the keys of Site.With, in the order in which they are shown.
func SiteKeys() []string { return []string{"name", "host_name", "title", "message"} }

// Map returns the values by key.
func (s Site) Map() map[string]string {
	return map[string]string{"name": s.Name, "host_name": s.HostName, "title": s.Title, "message": s.Message}
}

// With returns the site with one value changed. White space around it is dropped,
// line ends become "\n" and a host name lower case; Validate judges the rest.
func (s Site) With(key, value string) (Site, error) {
	value = strings.TrimSpace(strings.ReplaceAll(value, "\r\n", "\n"))
	switch key {
	case "name":
		s.Name = value
	case "host_name":
		s.HostName = strings.ToLower(value)
	case "title":
		s.Title = value
	case "message":
		s.Message = value
	default:
		return s, RefuseField(key, "%s", "this is not known: use one of "+strings.Join(SiteKeys(), ", "))
	}
	return s, nil
}

// Validate returns every refused field, joined; nil if all are right.
func (s Site) Validate() error {
	return errors.Join(
		checkText("name", s.Name, MaxSiteName, isControl),
		checkHostName(s.HostName),
		checkText("title", s.Title, MaxSiteTitle, isControl),
		checkText("message", s.Message, MaxSiteMessage, func(r rune) bool { return r != '\n' && r != '\t' && isControl(r) }),
	)
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

func checkText(field, text string, most int, forbidden func(rune) bool) error {
	switch {
	case strings.ToValidUTF8(text, "") != text:
		return RefuseField(field, "this is not text in UTF-8: type it anew")
	case len([]rune(text)) > most:
		return RefuseField(field, "%s", fmt.Sprintf("use at most %d characters; these are %d", most, len([]rune(text))))
	case strings.ContainsFunc(text, forbidden):
		return RefuseField(field, "leave out line breaks, tabs and other control characters")
	}
	return nil
}

// checkHostName applies RFC 1123, section 2.1: letters, digits and dashes, in
// labels of 63, 253 in all.
func checkHostName(name string) error {
	refuse := func(text string) error { return RefuseField("host_name", "%s", text) }
	if name == "" {
		return nil
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return refuse("this is an address: write a name, as www.example.org, or nothing if the site has none")
	}
	labels := strings.Split(name, ".")
	if len(name) > 253 || !slices.ContainsFunc([]rune(labels[len(labels)-1]), isLetter) {
		return refuse("write a name of at most 253 characters, as www.example.org, without https:// and port")
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, notOfHost) {
			return refuse("write a name of letters, digits and dashes between dots, as www.example.org, without https:// and port; others in their xn-- form")
		}
	}
	return nil
}

func isLetter(r rune) bool  { return r >= 'a' && r <= 'z' }
func notOfHost(r rune) bool { return !isLetter(r) && (r < '0' || r > '9') && r != '-' }
