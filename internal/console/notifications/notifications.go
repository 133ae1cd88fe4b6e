package notifications

import (
	"slices"
	"strconv"
	"strings"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// notificationsPage is the Notifications page.
type notificationsPage struct {
	Channels    []channelRow
	Mail        tellForm
	Daily       *page.Form
	PasswordSet bool
	ReadOnly    bool // a viewer, or a backup
	Zone        string
}

// channelRow says how well one channel works.
type channelRow struct {
	pair.ChannelState
	Name        string
	Where       string
	State       string // word
	Tone        string // of the badge: plain, good, warning
	Last        string // delivery
	Error       string
	DroppedText string
}

// MayTest reports whether there is something to test.
func (r channelRow) MayTest() bool { return r.Where != "" }

func channelRows(v *page.Visit, saved api.SavedNotifications) []channelRow {
	rows := make([]channelRow, 0, len(saved.Channels))
	for i, state := range saved.Channels {
		row := channelRow{ChannelState: state, Name: "Mail", Where: saved.Mail.Host, Last: "never"}
		if i > 0 {
			row.Name, row.Where = saved.Webhooks[i-1].Name, hostOf(saved.Webhooks[i-1].URL)
		}
		if !state.LastSuccess.IsZero() {
			row.Last = page.Clock(v.Zone, state.LastSuccess)
		}
		row.State, row.Tone = stateOf(state)
		if !state.FailingSince.IsZero() && state.Enabled {
			row.Error = state.LastError
		}
		if state.Dropped > 0 {
			row.DroppedText = page.Count(int64(state.Dropped), "event", "events") + " could not be told."
		}
		rows = append(rows, row)
	}
	return rows
}

func stateOf(state pair.ChannelState) (word, tone string) {
	switch {
	case !state.Enabled:
		return "off", "plain"
	case !state.FailingSince.IsZero():
		return "fails", "warning"
	case state.LastSuccess.IsZero():
		return "not used yet", "plain"
	}
	return "works", "good"
}

// hostOf is the host of an address: the rest of it may be a secret.
func hostOf(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	return host
}

func (p notifications) page() page.Of[notificationsPage] {
	return page.Of[notificationsPage]{Name: "notifications", Title: "Notifications", Read: p.read}
}

func (p notifications) read(v *page.Visit) (notificationsPage, error) {
	saved, err := p.backend.Notifications(v.Context())
	if err != nil {
		return notificationsPage{}, err
	}
	daily := page.NewForm("daily", map[string]string{"daily_at": saved.DailyAt.String(), "version": versionText(saved)})
	return notificationsPage{
		Channels: channelRows(v, saved), Mail: mailForm(saved), Daily: daily, PasswordSet: saved.Channels[0].SecretSet,
		ReadOnly: v.Status.Role == pair.Backup || !v.May(pair.Administrator), Zone: v.Zone.String(),
	}, nil
}

func versionText(saved api.SavedNotifications) string {
	return strconv.FormatInt(saved.Version, 10)
}

func mailForm(saved api.SavedNotifications) tellForm {
	m := saved.Mail
	f := tellForm{page.NewForm("mail", map[string]string{
		"enabled": strconv.FormatBool(m.Enabled), "host": m.Host, "port": strconv.Itoa(m.Port), "encryption": string(m.Encryption),
		"user": m.User, "from": m.From, "to": strings.Join(m.To, "\n"), "version": versionText(saved),
	})}
	f.show(m.Tell)
	return f
}

// lines splits what was typed one a line, or with commas.
func lines(text string) []string {
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' || r == ';' })
	all := []string{}
	for _, part := range parts {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

func (p notifications) saveMail(v *page.Visit, f *page.Form) error {
	err := p.save(v, f, func(n *pair.Notifications) error {
		port, err := strconv.Atoi(strings.TrimSpace(f.Get("port")))
		if err != nil {
			return pair.RefuseField("mail.port", "write a number: 587 for STARTTLS, 465 for TLS, 25 without")
		}
		n.Mail = pair.Mail{
			Enabled: f.On("enabled"), Host: strings.TrimSpace(f.Get("host")), Port: port, Encryption: pair.Encryption(f.Get("encryption")),
			User: strings.TrimSpace(f.Get("user")), Password: f.Get("password"), From: strings.TrimSpace(f.Get("from")), To: lines(f.Get("to")), Tell: tellForm{f}.tell(),
		}
		return nil
	})
	f.Forget("password")
	if err != nil {
		return p.page().Refused(v, f, within("mail", err), func(data *notificationsPage) { data.Mail = tellForm{f} })
	}
	if f.Get("action") == "test" {
		return p.sendTest(v, pair.MailChannel)
	}
	return v.Done(path, "The mail settings are saved.")
}

func (p notifications) saveDaily(v *page.Visit, f *page.Form) error {
	err := p.save(v, f, func(n *pair.Notifications) error {
		at, err := pair.ParseTimeOfDay(strings.TrimSpace(f.Get("daily_at")))
		if err != nil {
			return pair.RefuseField("daily_at", "%s", err.Error())
		}
		n.DailyAt = at
		return nil
	})
	if err != nil {
		return p.page().Refused(v, f, err, func(data *notificationsPage) { data.Daily = f })
	}
	return v.Done(path, "The daily notice comes at "+f.Get("daily_at")+".")
}

// save changes one part of what is saved. A form that shows an older version is refused
// once; the user may then save it over the newer one.
func (p notifications) save(v *page.Visit, f *page.Form, change func(*pair.Notifications) error) error {
	saved, err := p.backend.Notifications(v.Context())
	if err != nil {
		return err
	}
	if f.Get("version") != versionText(saved) {
		f.Values.Set("version", versionText(saved))
		return pair.Refuse(pair.Stale, "somebody else has changed the notifications meanwhile. "+
			"What you typed is still here, but for password or secret: save again to replace theirs")
	}
	if err := change(&saved.Notifications); err != nil {
		return err
	}
	_, err = p.backend.SaveNotifications(v.Context(), saved)
	return err
}

// within names refused fields as the form of a part of the settings does: without the
// name of the part.
func within(part string, err error) error {
	fields := pair.FieldsOf(err)
	if len(fields) == 0 {
		return err
	}
	inner := &pair.Refusal{Code: pair.CodeOf(err), Text: err.Error()}
	for _, field := range fields {
		name := strings.TrimPrefix(field.Name, part+".")
		inner.Fields = append(inner.Fields, pair.Field{Name: name, Text: field.Text})
	}
	return inner
}

func (p notifications) testChannel(v *page.Visit) error {
	return p.sendTest(v, v.Request.PathValue("channel"))
}

// sendTest sends a test and leads to the page, which says whether it arrived.
func (p notifications) sendTest(v *page.Visit, channel string) error {
	text, err := p.backend.TestNotification(v.Context(), channel)
	if err != nil {
		if slices.Contains([]pair.Code{pair.Unreachable, pair.Refused, pair.NotFound}, pair.CodeOf(err)) {
			return v.Warn(path, "The test did not arrive: "+err.Error())
		}
		return err
	}
	return v.Done(path, "The test is sent: "+text)
}
