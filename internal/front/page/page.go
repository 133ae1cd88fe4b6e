package page

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed" // the page and its style
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"baton/internal/pair"
)

// The page has no lang attribute: in which language the message is written is
// not known, and readers fall back on their visitor's own.
//
//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

// Page is the public page, ready to be sent.
type Page struct {
	html   []byte
	policy string // Content-Security-Policy: nothing but its own style
}

// New writes the public page; nil if there is nothing to show.
func New(site pair.Site) (*Page, error) {
	if site.Title == "" && site.Message == "" {
		return nil, nil
	}
	parsed, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("read the public page: %w", err)
	}
	shown := struct {
		Name, Title string
		Paragraphs  []string
		Style       template.CSS
	}{Name: site.Name, Title: cmp.Or(site.Title, site.Name, "Welcome"), Style: template.CSS(pageStyle)} //nolint:gosec // our own file
	if shown.Name == shown.Title {
		shown.Name = ""
	}
	for part := range strings.SplitSeq(site.Message, "\n\n") {
		if part = strings.TrimSpace(part); part != "" {
			shown.Paragraphs = append(shown.Paragraphs, part)
		}
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, shown); err != nil {
		return nil, fmt.Errorf("write the public page: %w", err)
	}
	hash := sha256.Sum256([]byte(pageStyle))
	policy := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) +
		"'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
	return &Page{html: text.Bytes(), policy: policy}, nil
}

// Serve answers with the page, under a status.
func (p *Page) Serve(w http.ResponseWriter, status int) {
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", p.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cache-Control", "no-cache") // ask again: it may have changed
	w.WriteHeader(status)
	_, _ = w.Write(p.html) // an error means that the client has gone
}
