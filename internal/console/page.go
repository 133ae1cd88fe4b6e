package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"

	"baton/internal/pair"
)

//go:embed templates
var templateFiles embed.FS

// templates are the pages by name, each with the layout and all parts. A page is
// parsed when it is first asked for: most daemons are looked at seldom, and all
// pages together take some 10 MB.
type templates map[string]func() (*template.Template, error)

func (c *Console) templates() (templates, error) {
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := templates{}
	for _, name := range names {
		pages[strings.TrimSuffix(path.Base(name), ".html")] = sync.OnceValues(func() (*template.Template, error) {
			return template.New("").Funcs(c.funcs()).ParseFS(templateFiles, "templates/layout.html", "templates/parts/*.html", name)
		})
	}
	return pages, nil
}

// view is what every template is given; Data is the page's own.
type view struct {
	Name    string // of the page
	Title   string
	Path    string // below Root
	Theme   string
	User    string
	Role    string // of the user
	Status  pair.Status
	Moved   *moved // what happened since an earlier look, if anything
	Notice  string
	Warning string
	Tabs    []tab
	Subtabs []tab
	Data    any

	visit *visit
}

// May reports whether the visitor may do what asks for a level.
func (v view) May(least string) bool { return v.visit.may(access(least)) }

// Backup reports whether this appliance is the backup.
func (v view) Backup() bool { return v.Status.Role == pair.Backup }

// Live reports whether the page follows the appliance.
func (v view) Live() bool { return v.User != "" }

// At is the page's own address with its filters, for its live parts.
func (v view) At() string { return v.visit.r.URL.RequestURI() }

// Themes lists the choices of appearance.
func (v view) Themes() []string { return themes() }

// alerts sums up the open conditions for the head of the page.
type alerts struct {
	Severity pair.Severity
	Text     string
}

// Alerts returns what the head says of the conditions; nil if none needs attention.
func (v view) Alerts() *alerts {
	made := alerts{Severity: pair.Warning}
	number := int64(0)
	for _, notice := range v.Status.Notices() {
		switch notice.Severity {
		case pair.Critical:
			made.Severity = pair.Critical
			number++
		case pair.Warning:
			number++
		case pair.Info:
		}
	}
	if number == 0 {
		return nil
	}
	made.Text = count(number, "condition", "conditions")
	return &made
}

// Idle reports whether this appliance is a primary that does not serve.
func (v view) Idle() bool {
	return idle(v.Status.Role, v.Status.State) || v.Status.Role == pair.Primary && v.Status.Site.State == pair.SiteDown
}

// Elsewhere leads to the other appliance's console, and to the shared IPs at which the
// console listens.
func (v view) Elsewhere() []link {
	if v.Status.Peer == nil {
		return nil
	}
	links := []link{peerLink(v.Status)}
	site, err := v.visit.console.backend.Site.Site(v.visit.ctx())
	if err != nil {
		v.visit.console.log.Error("where the console listens is not known", slog.String("error", err.Error()))
		return links
	}
	return append(links, sharedLinks(v.Status, site.Front.HTTPS)...)
}

// PrimaryLink leads to the primary's console, on a backup.
func (v view) PrimaryLink() *link {
	if !v.Backup() || v.Status.Peer == nil {
		return nil
	}
	to := peerLink(v.Status)
	return &to
}

// Seen is what this page tells a later one about its moment.
func (v view) Seen() string { return seenOf(v.Status, v.visit.console.now()).String() }

// page answers with a page.
func (v *visit) page(name, title string, data any) error {
	return v.show(http.StatusOK, name, title, data)
}

// again answers with a page whose form was refused.
func (v *visit) again(name, title string, data any) error {
	return v.show(http.StatusUnprocessableEntity, name, title, data)
}

// show writes a page once it is whole, so that a failure on the way is an error
// page and not half of one.
func (v *visit) show(status int, name, title string, data any) error {
	var text bytes.Buffer
	shown := v.view(name, title, data)
	shown.Notice = v.once(noticeCookie)
	shown.Warning = v.once(warningCookie)
	if status != http.StatusOK { // what was refused is summed up before the fields that it names are drawn
		if err := v.console.render(&text, name, "layout", shown); err != nil {
			return err
		}
		text.Reset()
	}
	if err := v.console.render(&text, name, "layout", shown); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(text.Bytes()) // an error means that the client has gone
	return nil
}

// render writes one template of a page.
func (c *Console) render(to *bytes.Buffer, page, part string, data view) error {
	parse, known := c.pages[page]
	if !known {
		return fmt.Errorf("there is no page template %q", page)
	}
	t, err := parse()
	if err != nil {
		return fmt.Errorf("read page %s: %w", page, err)
	}
	if err := t.ExecuteTemplate(to, part, data); err != nil {
		return fmt.Errorf("render page %s: %w", page, err)
	}
	return nil
}

func (v *visit) view(name, title string, data any) view {
	made := view{
		Name: name, Title: title, Path: strings.TrimPrefix(v.r.URL.Path, Root), Theme: v.theme(),
		User: v.caller.Name, Role: string(v.caller.Access), Status: v.status, Data: data, visit: v,
	}
	made.Moved = v.moved(v.r.URL.Query().Get("seen"))
	if !v.signedIn() {
		return made
	}
	made.Tabs, made.Subtabs = v.tabs(made.Path)
	return made
}
