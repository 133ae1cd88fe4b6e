package notifications_test

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/pair"
)

const notificationsURL = page.Root + "/management/notifications"

// mailFields are a mail form that can be saved.
func mailFields(version string, more ...string) []string {
	return append([]string{
		"version", version, "enabled", "true", "host", "mail.example.org", "port", "587", "encryption", "starttls", "user", "baton", "password", "the password",
		"from", "baton@example.org", "to", "ann@example.org\r\nbob@example.org", "tell.conditions", "critical", "kind-takeover", "true", "tell.daily", "true",
	}, more...)
}

func saved(t *testing.T, b *consoletest.Browser) api.SavedNotifications {
	t.Helper()
	now, err := b.Appliance.Backend().Notifications.Notifications(api.WithCaller(t.Context(), api.Caller{Access: pair.Administrator}))
	if err != nil {
		t.Fatal(err)
	}
	return now
}

func TestMailIsSavedAndItsPasswordNeverShown(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	p := b.Get(notificationsURL)
	p.Has(t, "Send mail", "Not set up.", "Daily notice", `value="08:00"`)
	p = b.Post(notificationsURL+"/mail", mailFields("0")...)
	p.Has(t, "The mail settings are saved.", "A password is saved. Empty: it stays as it is.", "ann@example.org\nbob@example.org", "not used yet")
	if strings.Contains(p.Body, "the password") {
		t.Error("the password is shown")
	}
	now := saved(t, b)
	if m := now.Mail; !m.Enabled || m.Host != "mail.example.org" || len(m.To) != 2 || m.Tell.Conditions != pair.Critical || m.Tell.Cleared ||
		!m.Tell.Daily || len(m.Tell.Kinds) != 1 || m.Tell.Kinds[0] != pair.KindTakeover || !now.Channels[0].SecretSet {
		t.Errorf("saved %+v", m)
	}
	p = b.Post(notificationsURL+"/mail", mailFields("1", "action", "test")...)
	p.Has(t, "The test is sent: mail.example.org took the mail for ann@example.org, bob@example.org.")
}

func TestARefusedMailFormKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	p := b.Post(notificationsURL+"/mail", "version", "0", "enabled", "true", "host", "", "port", "0", "encryption", "tls", "user", `<b>"x`,
		"password", "my-password", "from", "nobody", "to", "", "tell.conditions", "none", "kind-sync-done", "true")
	if p.Status != http.StatusUnprocessableEntity {
		t.Errorf("status %d", p.Status)
	}
	p.Has(t, "Nothing was saved. Correct this:", "Name the mail server.", `href="#field-mail-host"`, `id="field-mail-host-error"`, `aria-invalid="true"`,
		`value="&lt;b&gt;&#34;x"`, `value="nobody"`, `<option value="tls" selected>`, `<option value="none" selected>`)
	if strings.Contains(p.Body, "my-password") || !regexp.MustCompile(`name="kind-sync-done" value="true" checked`).MatchString(p.Body) ||
		regexp.MustCompile(`name="kind-takeover" value="true" checked`).MatchString(p.Body) {
		t.Errorf("what was typed is not kept, or the password is: %s", p.Body)
	}
	p = b.Post(notificationsURL+"/mail", "version", "0", "port", "many")
	p.Has(t, "Write a number")
}

func TestTheSecondOfTwoIsToldAndLosesNothing(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	b.Post(notificationsURL+"/mail", mailFields("0")...)
	for path, fields := range map[string][]string{
		"/mail":         mailFields("0", "host", "other.example.org")[2:],
		"/daily":        {"daily_at", "21:15"},
		"/webhooks/new": {"name", "Chat", "url", "https://hooks.example.org/x", "secret", "sixteen characters"},
	} {
		p := b.Post(notificationsURL+path, append([]string{"version", "0"}, fields...)...)
		if p.Status != http.StatusConflict {
			t.Errorf("%s: status %d", path, p.Status)
		}
		p.Has(t, "Somebody else has changed the notifications meanwhile.", `name="version" value="1"`)
	}
	b.Post(notificationsURL+"/daily", "version", "1", "daily_at", "21:15").Has(t, "The daily notice comes at 21:15.")
	b.Post(notificationsURL+"/daily", "version", "2", "daily_at", "25:15").Has(t, "is not a time of day", `value="25:15"`)
}

func TestAWebhookIsAddedChangedAndRemoved(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	add := notificationsURL + "/webhooks/new"
	b.Get(add).Has(t, "Add a webhook", "Baton-Signature", `name="kind-takeover" value="true" checked`)
	p := b.Post(add, "version", "0", "name", "", "url", "x", "secret", "short", "kind-handover", "true")
	p.Has(t, "Use 1 to 64 characters", "Write an address like", "Use 16 to 256 characters", `value="x"`)
	if strings.Contains(p.Body, `value="short"`) {
		t.Error("the secret is shown again")
	}
	p = b.Post(add, "version", "0", "name", "Chat", "url", "https://hooks.example.org/part", "action", "generate")
	made := regexp.MustCompile(`name="secret" value="([A-Z0-9]{26})"`).FindStringSubmatch(p.Body)
	if made == nil || !strings.Contains(p.Body, `value="Chat"`) {
		t.Fatalf("no secret was made: %s", p.Body)
	}
	p = b.Post(add, "version", "0", "enabled", "true", "tell.conditions", "warning", "name", "Chat", "url", "https://hooks.example.org/part", "secret", made[1])
	p.Has(t, "The webhook Chat is saved.", "hooks.example.org", "not used yet")
	if strings.Contains(p.Body, made[1]) || strings.Contains(p.Body, "/part") {
		t.Error("the list shows a secret")
	}
	id := saved(t, b).Webhooks[0].ID
	edit := notificationsURL + "/webhooks/edit/" + id
	b.Get(edit).Has(t, `value="https://hooks.example.org/part"`, "A secret is saved")
	b.Post(edit, "version", "1", "enabled", "true", "tell.conditions", "warning", "name", "Chat two", "url", "https://silent.example.org/").Has(t, "The webhook Chat two is saved.")
	if hook := saved(t, b).Webhooks[0]; hook.ID != id || hook.Name != "Chat two" || !saved(t, b).Channels[1].SecretSet {
		t.Errorf("saved %+v", hook)
	}
	b.Post(notificationsURL+"/test/"+id).Has(t, "The test did not arrive:", "did not answer in time")
	b.Post(notificationsURL+"/webhooks/remove/"+id, "version", "1").Has(t, "Somebody else has changed", "Remove this webhook")
	b.Post(notificationsURL+"/webhooks/remove/"+id, "version", "2").Has(t, "The webhook Chat two is removed.")
	if p := b.Get(edit); p.Status != http.StatusNotFound {
		t.Errorf("a removed webhook: %d", p.Status)
	}
	if p := b.Post(notificationsURL + "/test/" + id); p.Status != http.StatusOK {
		t.Errorf("a test of a removed webhook: %d", p.Status)
	}
}

func TestOthersLookAtNotificationsAndChangeNothing(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	b.Post(notificationsURL+"/mail", mailFields("0")...)
	b.Post(notificationsURL+"/webhooks/new", "version", "1", "enabled", "true", "tell.conditions", "warning", "name", "Chat", "url", "https://hooks.example.org/part", "secret", "sixteen characters")
	id := saved(t, b).Webhooks[0].ID
	b.Appliance.SetChannel(pair.MailChannel, pair.ChannelState{
		Pending: 3, Dropped: 1, LastError: "mail.example.org is down.", FailingSince: admintest.Start(), LastSuccess: admintest.Start().Add(-time.Hour),
	})
	other := b.Another().SignIn(pair.Operator)
	p := other.Get(notificationsURL)
	p.Has(t, "hooks.example.org", "mail.example.org is down.", "1 event could not be told.", "2030-01-02 02:04:05 UTC", "disabled")
	for _, hidden := range []string{"/part", "the password", "sixteen", `type="submit">Save`, "Add a webhook", notificationsURL + "/test"} {
		if strings.Contains(p.Body, hidden) {
			t.Errorf("an operator sees %q", hidden)
		}
	}
	for _, path := range []string{"/mail", "/daily", "/test/mail", "/webhooks/new", "/webhooks/edit/" + id, "/webhooks/remove/" + id} {
		if p := other.Post(notificationsURL+path, "version", "2"); p.Status != http.StatusForbidden {
			t.Errorf("an operator's %s: %d", path, p.Status)
		}
	}
	b.Appliance.Change(func(s *pair.Status) { s.Role = pair.Backup })
	p = b.Get(notificationsURL)
	p.Has(t, "it gets these settings from its primary", notificationsURL+"/test/mail")
	if p := b.Post(notificationsURL+"/mail", mailFields("2")...); p.Status != http.StatusConflict || saved(t, b).Version != 2 {
		t.Errorf("a backup saves: %d", p.Status)
	}
	b.Post(notificationsURL+"/test/mail").Has(t, "The test is sent")
}

func TestChannelsFollowTheAppliance(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	b.Post(notificationsURL+"/mail", mailFields("0")...)
	query := url.Values{"page": {"notifications"}, "at": {notificationsURL}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r := b.Request(http.MethodGet, page.Root+"/live?"+query.Encode(), nil).WithContext(ctx)
	r.Header.Set("Accept", "text/event-stream")
	response, err := b.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // the test ends here
	lines := bufio.NewScanner(response.Body)
	await := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", text, lines.Err())
	}
	await(`hx-target="#live-channels"`)
	b.Appliance.SetChannel(pair.MailChannel, pair.ChannelState{Pending: 7})
	b.Appliance.Change(func(*pair.Status) {})
	await("7 waiting")
}
