package page

import (
	"bytes"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"baton/internal/pair"
)

// view is what every template is given; Data is the page's own.
type view struct {
	Name    string // of the page
	Title   string
	Path    string // below Root
	Theme   string
	User    string
	Role    string // of the user
	Status  pair.Status
	Moved   *change // what has moved since an earlier page; nil: nothing
	Notice  string
	Warning string
	Tabs    []Tab
	Subtabs []Tab
	Data    any

	visit *Visit
}

// May reports whether the visitor's role covers an access, by name.
func (v view) May(least string) bool { return v.visit.May(pair.Access(least)) }

// Backup reports whether this appliance is the backup.
func (v view) Backup() bool { return v.Status.Role == pair.Backup }

// Live reports whether the page follows the appliance.
func (v view) Live() bool { return v.User != "" }

// At is the page's own address with its filters, for its live parts.
func (v view) At() string { return v.visit.Request.URL.RequestURI() }

// Themes lists the choices of appearance.
func (v view) Themes() []string { return themes() }

// alerts sums up the open conditions for the head of the page.
type alerts struct {
	Severity pair.Severity
	Text     string
}

// Alerts returns what the head says of the conditions; nil if none needs attention.
func (v view) Alerts() *alerts {
	sum := alerts{Severity: pair.Warning}
	number := int64(0)
	for _, notice := range v.Status.Notices() {
		switch notice.Severity {
		case pair.Critical:
			sum.Severity = pair.Critical
			number++
		case pair.Warning:
			number++
		case pair.Info:
		}
	}
	if number == 0 {
		return nil
	}
	sum.Text = Count(number, "condition", "conditions")
	return &sum
}

// Idle reports whether this appliance is a primary that does not serve.
func (v view) Idle() bool {
	return Idle(v.Status.Role, v.Status.State) || v.Status.Role == pair.Primary && v.Status.Site.State == pair.SiteDown
}

// Idle reports whether a primary does not serve in its state.
func Idle(role pair.Role, state pair.Phase) bool {
	return role == pair.Primary && slices.Contains([]pair.Phase{pair.Waiting, pair.Claiming, pair.Isolated, pair.Conflict}, state)
}

// Elsewhere leads to the other appliance's console, and to the shared IPs at which the
// console listens.
func (v view) Elsewhere() []Link {
	if v.Status.Peer == nil {
		return nil
	}
	links := []Link{peerLink(v.Status)}
	site, err := v.visit.server.backend.Site.Site(v.visit.Context())
	if err != nil {
		v.visit.server.log.Error("where the console listens is not known", slog.String("error", err.Error()))
		return links
	}
	return append(links, sharedLinks(v.Status, site.Front.HTTPS)...)
}

// PrimaryLink leads to the primary's console, on a backup.
func (v view) PrimaryLink() *Link {
	if !v.Backup() || v.Status.Peer == nil {
		return nil
	}
	to := peerLink(v.Status)
	return &to
}

// Seen is what this page says to a later one about the moment when it was drawn.
func (v view) Seen() string { return momentOf(v.Status, v.visit.Now()).String() }

// Page answers with a page.
func (v *Visit) Page(name, title string, data any) error {
	return v.Show(http.StatusOK, name, title, data)
}

// Again answers with a page whose form was refused.
func (v *Visit) Again(name, title string, data any) error {
	return v.Show(http.StatusUnprocessableEntity, name, title, data)
}

// Refused answers with a page whose form an error is about; any other error is returned.
func (v *Visit) Refused(f *Form, err error, name, title string, data any) error {
	if !f.Refused(err) {
		return err
	}
	return v.Show(StatusOf(err), name, title, data)
}

// Show writes a page once it is whole, so that a failure on the way is an error
// page and not half of one.
func (v *Visit) Show(status int, name, title string, data any) error {
	var text bytes.Buffer
	shown := v.view(name, title, data)
	shown.Notice = v.once(noticeCookie)
	shown.Warning = v.once(warningCookie)
	if status != http.StatusOK { // the summary of what was refused comes before the fields that it names
		if err := v.server.templates.render(&text, name, "layout", shown); err != nil {
			return err
		}
		text.Reset()
	}
	if err := v.server.templates.render(&text, name, "layout", shown); err != nil {
		return err
	}
	v.Writer.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.Writer.WriteHeader(status)
	_, _ = v.Writer.Write(text.Bytes()) // an error means that the client has gone
	return nil
}

func (v *Visit) view(name, title string, data any) view {
	shown := view{
		Name: name, Title: title, Path: strings.TrimPrefix(v.Request.URL.Path, Root), Theme: v.theme(),
		User: v.Caller.Name, Role: string(v.Caller.Access), Status: v.Status, Data: data, visit: v,
	}
	shown.Moved = v.moved(v.Request.URL.Query().Get("seen"))
	if !v.SignedIn() {
		return shown
	}
	shown.Tabs, shown.Subtabs = v.tabsAt(shown.Path)
	return shown
}
