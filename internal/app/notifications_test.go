package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/config"
	"baton/internal/notify"
	"baton/internal/pair"
)

// receiver is a webhook's receiver that checks what it gets.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []notify.Payload // of those that were answered with 204
	tried  int
}

const hookSecret = "a secret of sixteen and more"

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusNoContent}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tried++
		if request.Header.Get(notify.HeaderSignature) != notify.Sign(hookSecret, request.Header.Get(notify.HeaderTime), body) {
			t.Error("the signature is wrong")
		}
		var payload notify.Payload
		if err := json.Unmarshal(body, &payload); err != nil {
			t.Error(err)
		}
		if w.WriteHeader(r.status); r.status == http.StatusNoContent {
			r.got = append(r.got, payload)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// eventually waits for what the receiver sees.
func (r *receiver) eventually(t *testing.T, what string, holds func(got []notify.Payload, tried int) bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		r.mu.Lock()
		ok := holds(r.got, r.tried)
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("never: %s; received %+v in %d attempts", what, r.got, r.tried)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// quietAppliance is one on loopback whose data lies in dir.
func quietAppliance(t *testing.T, dir string) *Appliance {
	t.Helper()
	c := config.Default()
	c.DataDir, c.Listen, c.Name = dir, []string{"127.0.0.1:0"}, "alpha"
	a, err := New(t.Context(), c, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// tell runs the history and the notifier until the function that it returns.
func tell(t *testing.T, a *Appliance) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	parts.Go(func() { _ = a.history.run(ctx) })
	parts.Go(func() { _ = a.notifier.Run(ctx) })
	return func() { cancel(); parts.Wait() }
}

// as is a context in which somebody asks.
func as(t *testing.T, access pair.Access) context.Context {
	t.Helper()
	return api.WithCaller(t.Context(), api.Caller{Name: string(access), Access: access, From: "198.51.100.7"})
}

func hookTo(url string) api.SavedNotifications {
	wanted := api.SavedNotifications{Notifications: pair.DefaultNotifications()}
	wanted.Webhooks = []pair.Webhook{{Name: "chat", Enabled: true, URL: url, Secret: hookSecret, Tell: pair.DefaultTell()}}
	return wanted
}

// TestAPowerCutLosesAndDoublesNoNotice lets the machine stop while a receiver is
// down: what its disk held at that moment goes on elsewhere.
func TestAPowerCutLosesAndDoublesNoNotice(t *testing.T) {
	t.Parallel() // it mostly waits
	r := newReceiver(t)
	dir, later := t.TempDir(), t.TempDir()
	a := quietAppliance(t, dir)
	if _, err := a.tested().SaveNotifications(as(t, pair.Administrator), hookTo(r.URL+"/hook")); err != nil {
		t.Fatal(err)
	}
	stop := tell(t, a)
	r.answer(http.StatusServiceUnavailable)
	waitFor(t, "the queue to begin", func() bool { text, err := a.site.Outbox.Read(t.Context()); return err == nil && len(text) > 0 })
	a.history.Record(pair.Event{Kind: pair.KindTakeover, Text: "took over"})
	r.eventually(t, "an attempt", func(_ []notify.Payload, tried int) bool { return tried == 1 })
	waitFor(t, "the failure to be noted", func() bool { return mustTell(t, a)[1].Attempts == 1 })
	if err := os.CopyFS(later, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	stop()
	r.answer(http.StatusNoContent)
	b := quietAppliance(t, later)
	stop = tell(t, b)
	r.eventually(t, "the notice after the cut", func(got []notify.Payload, _ int) bool { return len(got) == 1 })
	b.history.Record(pair.Event{Kind: pair.KindHandover, Text: "handed over"})
	r.eventually(t, "the next notice", func(got []notify.Payload, _ int) bool { return len(got) == 2 })
	stop()
	if first, second := r.got[0], r.got[1]; len(first.Events) != 1 || first.Events[0].Text != "took over" || first.ID != first.Events[0].ID ||
		len(second.Events) != 1 || second.Events[0].Text != "handed over" {
		t.Errorf("received %+v", r.got)
	}
}

// mustTell is how the channels fare.
func mustTell(t *testing.T, a *Appliance) []pair.ChannelState {
	t.Helper()
	saved, err := a.notifications.Notifications(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return saved.Channels
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestSecretsOfNotificationsNeverComeBack(t *testing.T) {
	a := quietAppliance(t, t.TempDir())
	wanted := hookTo("https://hooks.example.org/services/T0/part-of-the-address")
	wanted.Mail = pair.Mail{
		Enabled: true, Host: "mail.example.org", Port: 587, Encryption: pair.EncryptStartTLS, User: "baton", Password: "the password",
		From: "baton@example.org", To: []string{"ann@example.org"}, Tell: pair.DefaultTell(),
	}
	saved, err := a.tested().SaveNotifications(as(t, pair.Administrator), wanted)
	if err != nil {
		t.Fatal(err)
	}
	if saved.Version != 1 || !saved.Channels[0].SecretSet || !saved.Channels[1].SecretSet || saved.Webhooks[0].ID == "" {
		t.Errorf("saved %+v", saved)
	}
	for _, access := range pair.Accesses() {
		seen, err := a.tested().Notifications(as(t, access))
		if err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(seen)
		for secret, visible := range map[string]bool{"the password": false, hookSecret: false, "part-of-the-address": access == pair.Administrator} {
			if strings.Contains(string(text), secret) != visible {
				t.Errorf("a %s sees %s", access, text)
			}
		}
	}
	events, err := a.tested().History(t.Context(), api.HistoryFilter{Limit: 100})
	if err != nil || len(events) == 0 {
		t.Fatal(events, err)
	}
	if text, _ := json.Marshal(events); strings.Contains(string(text), "the password") || strings.Contains(string(text), hookSecret) || strings.Contains(string(text), "part-of") {
		t.Errorf("the history tells %s", text)
	}
	saved.Mail.To = []string{"bob@example.org"} // and the rest as it was shown
	if _, err := a.tested().SaveNotifications(as(t, pair.Administrator), saved); err != nil {
		t.Fatal(err)
	}
	if kept, _, err := a.notifications.Read(t.Context()); err != nil || kept.Mail.Password != "the password" || kept.Webhooks[0].Secret != hookSecret || kept.Mail.To[0] != "bob@example.org" {
		t.Errorf("kept %+v", kept)
	}
}

func TestTheSecondOfTwoWhoSaveNotificationsIsTold(t *testing.T) {
	a := quietAppliance(t, t.TempDir())
	ctx := as(t, pair.Administrator)
	if _, err := a.tested().SaveNotifications(ctx, hookTo("https://one.example.org/")); err != nil {
		t.Fatal(err)
	}
	if _, err := a.tested().SaveNotifications(ctx, hookTo("https://two.example.org/")); pair.CodeOf(err) != pair.Stale {
		t.Errorf("the second got %v", err)
	}
	bad := hookTo("ftp://x")
	bad.Version, bad.Mail.Port = 1, 0
	_, err := a.tested().SaveNotifications(ctx, bad)
	refused, ok := errors.AsType[*pair.Refusal](err)
	if !ok || refused.Code != pair.Usage || len(refused.Fields) != 2 {
		t.Errorf("nonsense got %v", err)
	}
}

func TestATestTellsWhatCameOfIt(t *testing.T) {
	r := newReceiver(t)
	a := quietAppliance(t, t.TempDir())
	ctx := as(t, pair.Administrator)
	if _, err := a.tested().TestNotification(ctx, pair.MailChannel); pair.CodeOf(err) != pair.Refused {
		t.Errorf("a test of no mail server: %v", err)
	}
	saved, err := a.tested().SaveNotifications(ctx, hookTo(r.URL))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := a.tested().TestNotification(ctx, saved.Webhooks[0].ID); err != nil || text != "chat took the test." {
		t.Errorf("%q, %v", text, err)
	}
	r.answer(http.StatusTeapot)
	if _, err := a.tested().TestNotification(ctx, saved.Webhooks[0].ID); pair.CodeOf(err) != pair.Unreachable || !strings.Contains(err.Error(), "418") {
		t.Errorf("a refused test: %v", err)
	}
	if _, err := a.tested().TestNotification(ctx, "nobody"); pair.CodeOf(err) != pair.NotFound {
		t.Errorf("a test of nobody: %v", err)
	}
	if len(r.got) != 1 || r.got[0].Kind != notify.KindTest || r.got[0].Appliance.Name != "alpha" {
		t.Errorf("received %+v", r.got)
	}
}

// TestTheDailyNoticeComesOnceEveryLocalDay looks at a whole year with both changes
// of the clock, at an hour that is skipped and comes twice.
func TestTheDailyNoticeComesOnceEveryLocalDay(t *testing.T) {
	a := quietAppliance(t, t.TempDir())
	settings := pair.DefaultSettings()
	settings.TimeZone = "Europe/Berlin"
	a.settings.Set(settings, 1, pair.Standalone)
	at := time.Date(2025, 12, 31, 12, 0, 0, 0, time.UTC)
	var days []string
	for range 365 {
		at = a.settings.NextDaily(pair.TimeOfDay{Hour: 2, Minute: 30}, at)
		days = append(days, at.In(settings.Location()).Format(time.DateOnly))
	}
	if first, last := days[0], days[364]; first != "2026-01-01" || last != "2026-12-31" || len(slices.Compact(days)) != 365 {
		t.Errorf("from %s to %s, %d different days", first, last, len(slices.Compact(days)))
	}
}

func TestTheDailyNoticeTellsWhatHappened(t *testing.T) {
	a := quietAppliance(t, t.TempDir())
	for _, event := range []pair.Event{
		{Kind: pair.KindTakeover, Text: "long ago", Time: time.Now().Add(-25 * time.Hour)},
		{Kind: pair.KindTakeover, Text: "took over"},
		{Kind: pair.KindSignedIn, Text: "ann"},
		{Kind: pair.KindConditionRaised, Text: "alone", Detail: map[string]string{"condition": "alone", "severity": "warning"}},
		{Kind: pair.KindConditionRaised, Text: "maintenance", Detail: map[string]string{"condition": "maintenance", "severity": "info"}},
	} {
		if _, err := a.site.History.Append(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
	report, err := a.daily(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []notify.Count{{Kind: pair.KindTakeover, Times: 1}, {Kind: pair.KindSignedIn, Times: 1}, {Kind: pair.KindConditionRaised, Times: 2}}
	if !slices.Equal(report.Counts, want) || len(report.Events) != 2 || report.Events[0].Text != "took over" || report.Status.Appliance.Name != "alpha" {
		t.Errorf("the report is %+v", report)
	}
}
