package console

import (
	"slices"
	"strconv"
	"strings"

	"baton/internal/api"
	"baton/internal/pair"
)

const notificationsPath = "/management/notifications"

func (c *Console) notificationRoutes() []route {
	return []route{
		get(notificationsPath, viewer, c.showNotifications),
		post(notificationsPath+"/mail", administrator, c.saveMail),
		post(notificationsPath+"/daily", administrator, c.saveDaily),
		post(notificationsPath+"/test/{channel}", administrator, c.testChannel),
		get(notificationsPath+"/webhooks/new", administrator, c.showWebhook),
		post(notificationsPath+"/webhooks/new", administrator, c.saveWebhook),
		get(notificationsPath+"/webhooks/edit/{id}", administrator, c.showWebhook),
		post(notificationsPath+"/webhooks/edit/{id}", administrator, c.saveWebhook),
		post(notificationsPath+"/webhooks/remove/{id}", administrator, c.removeWebhook),
	}
}

// notificationsPage is the Notifications page.
type notificationsPage struct {
	Channels    []channelRow
	Mail        *form
	Daily       *form
	PasswordSet bool
	ReadOnly    bool // a viewer, or a backup
	Zone        string
}

// channelRow is how one channel fares, for people.
type channelRow struct {
	pair.ChannelState
	Name   string
	Where  string
	State  string // word
	Look   string // of the badge: plain, good, warning
	Last   string // delivery
	Error  string
	Untold string
}

// MayTest reports whether there is something to test.
func (r channelRow) MayTest() bool { return r.Where != "" }

func (v *visit) channelRows(saved api.SavedNotifications) []channelRow {
	rows := make([]channelRow, 0, len(saved.Channels))
	for i, state := range saved.Channels {
		row := channelRow{ChannelState: state, Name: "Mail", Where: saved.Mail.Host, Last: "never"}
		if i > 0 {
			row.Name, row.Where = saved.Webhooks[i-1].Name, hostOf(saved.Webhooks[i-1].URL)
		}
		if !state.LastSuccess.IsZero() {
			row.Last = clock(v.zone, state.LastSuccess)
		}
		row.State, row.Look = stateOf(state)
		if !state.FailingSince.IsZero() && state.Enabled {
			row.Error = state.LastError
		}
		if state.Dropped > 0 {
			row.Untold = count(int64(state.Dropped), "event", "events") + " could not be told."
		}
		rows = append(rows, row)
	}
	return rows
}

func stateOf(state pair.ChannelState) (word, look string) {
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

// hostOf is where an address leads, without what may be a secret in it.
func hostOf(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	return host
}

func (c *Console) showNotifications(v *visit) error {
	page, err := c.loadNotifications(v)
	if err != nil {
		return err
	}
	return v.page("notifications", "Notifications", page)
}

// loadNotifications is the page as it is saved.
func (c *Console) loadNotifications(v *visit) (any, error) {
	saved, err := c.backend.Notifications.Notifications(v.ctx())
	if err != nil {
		return nil, err
	}
	return v.notificationsPage(saved), nil
}

func (v *visit) notificationsPage(saved api.SavedNotifications) notificationsPage {
	daily := newForm(map[string]string{"daily_at": saved.DailyAt.String(), "version": versionText(saved)})
	daily.ID = "daily"
	return notificationsPage{
		Channels: v.channelRows(saved), Mail: mailForm(saved), Daily: daily, PasswordSet: saved.Channels[0].SecretSet,
		ReadOnly: v.status.Role == pair.Backup || !v.may(administrator), Zone: v.zone.String(),
	}
}

func versionText(saved api.SavedNotifications) string {
	return strconv.FormatInt(saved.Version, 10)
}

func mailForm(saved api.SavedNotifications) *form {
	m := saved.Mail
	f := newForm(map[string]string{
		"enabled": strconv.FormatBool(m.Enabled), "host": m.Host, "port": strconv.Itoa(m.Port), "encryption": string(m.Encryption),
		"user": m.User, "from": m.From, "to": strings.Join(m.To, "\n"), "version": versionText(saved),
	})
	f.ID = "mail"
	f.showTell(m.Tell)
	return f
}

// kindField is the name of the check box of a kind of events.
func kindField(kind string) string { return "kind-" + kind }

// showTell fills in what a channel is told.
func (f *form) showTell(tell pair.Tell) {
	f.Values.Set("tell.conditions", string(tell.Conditions))
	f.Values.Set("tell.cleared", strconv.FormatBool(tell.Cleared))
	f.Values.Set("tell.daily", strconv.FormatBool(tell.Daily))
	for _, kind := range tell.Kinds {
		f.Values.Set(kindField(kind), "true")
	}
}

// tell reads what a channel is to be told.
func (f *form) tell() pair.Tell {
	tell := pair.Tell{
		Conditions: pair.Severity(f.get("tell.conditions")), Cleared: f.on("tell.cleared"), Daily: f.on("tell.daily"), Kinds: []string{},
	}
	for _, kind := range pair.ToldKinds() {
		if f.on(kindField(kind)) {
			tell.Kinds = append(tell.Kinds, kind)
		}
	}
	return tell
}

// Kinds are the check boxes of the kinds of events, for the template.
func (f *form) Kinds() []field {
	labels := map[string]string{
		pair.KindTakeover: "Takeover", pair.KindHandover: "Handover (planned switch)", pair.KindSteppedDown: "Stepped down",
		pair.KindRoleChanged: "Any other change of role or state", pair.KindObserved: "Observe only: would have taken over",
		pair.KindDiverged: "Diverged copy set aside", pair.KindSyncFailed: "Data sync failed", pair.KindSyncDone: "Data sync done",
		pair.KindPaired: "Relationship established", pair.KindUnpaired: "Relationship broken", pair.KindPairingFailed: "Relationship not established",
		pair.KindSettingChanged: "Settings changed", pair.KindSignedIn: "Sign-in", pair.KindSignedOut: "Sign-out", pair.KindSignInFailed: "Failed sign-in",
		pair.KindStarted: "Baton started", pair.KindStopped: "Baton stopped",
		pair.KindNotificationFailed: "Notification given up",
	}
	kinds := make([]field, 0, len(labels))
	for _, kind := range pair.ToldKinds() {
		label, known := labels[kind]
		if !known {
			label = kind
		}
		kinds = append(kinds, f.Field(kindField(kind), label))
	}
	return kinds
}

// lines splits what was typed one a line, or with commas.
func lines(text string) []string {
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' || r == ';' })
	found := []string{}
	for _, part := range parts {
		if part = strings.TrimSpace(part); part != "" {
			found = append(found, part)
		}
	}
	return found
}

func (c *Console) saveMail(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	f.ID = "mail"
	err = c.saveNotifications(v, f, func(n *pair.Notifications) error {
		port, err := strconv.Atoi(strings.TrimSpace(f.get("port")))
		if err != nil {
			return refuseField("mail.port", "write a number: 587 for STARTTLS, 465 for TLS, 25 without")
		}
		n.Mail = pair.Mail{
			Enabled: f.on("enabled"), Host: strings.TrimSpace(f.get("host")), Port: port, Encryption: pair.Encryption(f.get("encryption")),
			User: strings.TrimSpace(f.get("user")), Password: f.get("password"), From: strings.TrimSpace(f.get("from")), To: lines(f.get("to")), Tell: f.tell(),
		}
		return nil
	})
	f.forget("password")
	if err != nil {
		return c.mailAgain(v, f, err)
	}
	if f.get("action") == "test" {
		return c.tested(v, pair.MailChannel)
	}
	return v.done(notificationsPath, "The mail settings are saved.")
}

// mailAgain shows the page with what was typed and what is wrong with it.
func (c *Console) mailAgain(v *visit, f *form, err error) error {
	if !f.refused(within("mail", err)) {
		return err
	}
	saved, failed := c.backend.Notifications.Notifications(v.ctx())
	if failed != nil {
		return failed
	}
	page := v.notificationsPage(saved)
	page.Mail = f
	return v.show(statusOf(pair.CodeOf(err)), "notifications", "Notifications", page)
}

func (c *Console) saveDaily(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	f.ID = "daily"
	err = c.saveNotifications(v, f, func(n *pair.Notifications) error {
		at, err := pair.ParseTimeOfDay(strings.TrimSpace(f.get("daily_at")))
		if err != nil {
			return refuseField("daily_at", err.Error())
		}
		n.DailyAt = at
		return nil
	})
	if err == nil {
		return v.done(notificationsPath, "The daily notice comes at "+f.get("daily_at")+".")
	}
	if !f.refused(err) {
		return err
	}
	saved, failed := c.backend.Notifications.Notifications(v.ctx())
	if failed != nil {
		return failed
	}
	page := v.notificationsPage(saved)
	page.Daily = f
	return v.show(statusOf(pair.CodeOf(err)), "notifications", "Notifications", page)
}

// saveNotifications changes one part of what is saved. Somebody who was overtaken is
// told, and may save what they typed over it.
func (c *Console) saveNotifications(v *visit, f *form, change func(*pair.Notifications) error) error {
	saved, err := c.backend.Notifications.Notifications(v.ctx())
	if err != nil {
		return err
	}
	if f.get("version") != versionText(saved) {
		f.Values.Set("version", versionText(saved))
		return pair.Refuse(pair.Stale, "somebody else has changed the notifications meanwhile. "+
			"What you typed is still here, but for password or secret: save again to replace theirs")
	}
	if err := change(&saved.Notifications); err != nil {
		return err
	}
	_, err = c.backend.Notifications.SaveNotifications(v.ctx(), saved)
	return err
}

// within takes the names of refused fields out of the part of the settings that a
// form is about.
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

func (c *Console) testChannel(v *visit) error { return c.tested(v, v.r.PathValue("channel")) }

// tested sends a test and leads to the page that says what came of it.
func (c *Console) tested(v *visit, channel string) error {
	text, err := c.backend.Notifications.TestNotification(v.ctx(), channel)
	if err != nil {
		if slices.Contains([]pair.Code{pair.Unreachable, pair.Refused, pair.NotFound}, pair.CodeOf(err)) {
			return v.warn(notificationsPath, "The test did not arrive: "+err.Error())
		}
		return err
	}
	return v.done(notificationsPath, "The test is sent: "+text)
}
