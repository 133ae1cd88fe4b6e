package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/certificate"
	"baton/internal/config"
	"baton/internal/pair"
	"baton/internal/store"
)

// publicAppliance is one that is not running, with a site directory and a shared IP.
func publicAppliance(t *testing.T) (*tested, context.Context) {
	t.Helper()
	c := config.Default()
	c.Name, c.DataDir, c.Listen = "alpha", t.TempDir(), []string{"127.0.0.1:0"}
	c.Site = &config.Site{Root: "/srv/www", Listen: []string{":80"}}
	shared, err := pair.ParseSharedIP("198.51.100.10/24", "lo")
	if err != nil {
		t.Fatal(err)
	}
	c.SharedIPs = []pair.SharedIP{shared}
	a, err := New(t.Context(), c, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Skip("addresses cannot be looked after here: ", err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a.tested(), fromLocal(t.Context())
}

func wantCode(t *testing.T, err error, code pair.Code, fields ...string) {
	t.Helper()
	if err == nil || pair.CodeOf(err) != code {
		t.Errorf("got %v, want %s", err, code)
		return
	}
	known, _ := errors.AsType[*pair.Refusal](err)
	for i, field := range fields {
		if len(known.Fields) <= i || known.Fields[i].Name != field {
			t.Errorf("got %v, want field %s refused", err, field)
		}
	}
}

func TestTheSiteIsChangedByOneOfTwo(t *testing.T) {
	b, ctx := publicAppliance(t)
	first, err := b.Site(ctx)
	if err != nil || first.Version != 0 || first.Front.Root != "/srv/www" || len(first.Front.HTTPS) != 1 {
		t.Fatalf("got %+v, %v", first, err)
	}
	mine, theirs := first, first
	mine.Name, theirs.Name = "Help desk", "Support"
	saved, err := b.SaveSite(ctx, mine)
	if err != nil || saved.Version != 1 || saved.Name != "Help desk" {
		t.Fatalf("got %+v, %v", saved, err)
	}
	_, err = b.SaveSite(ctx, theirs)
	wantCode(t, err, pair.Stale)
	if again, err := b.SaveSite(ctx, saved); err != nil || again.Version != 1 {
		t.Errorf("saved without a change: %+v, %v", again, err)
	}
	saved.HostName, saved.Title = "a.example\r\nX: y", "two\nlines"
	_, err = b.SaveSite(ctx, saved)
	wantCode(t, err, pair.Usage, "host_name", "title")
	texts := told(t, b, pair.KindSettingChanged)
	if len(texts) != 1 || texts[0] != "root from local changed Site name from nothing to Help desk." {
		t.Errorf("the history says %q", texts)
	}
}

func TestACertificateIsInForceWhenItIsSaved(t *testing.T) {
	b, ctx := publicAppliance(t)
	known, err := b.Certificates(ctx)
	if err != nil || known.Site != nil || known.Console.Fingerprint == "" || known.Version != 0 {
		t.Fatalf("got %+v, %v", known, err)
	}
	document := stored(t, time.Hour, "www.example.org")
	given := api.NewCertificate{Certificate: document.Chain, Key: document.Key}
	other := stored(t, time.Hour, "other")
	_, err = b.SetCertificate(ctx, api.NewCertificate{Certificate: document.Chain, Key: other.Key}, 0)
	wantCode(t, err, pair.Usage, "key")
	past := stored(t, -time.Hour, "www.example.org")
	_, err = b.SetCertificate(ctx, api.NewCertificate{Certificate: past.Chain, Key: past.Key}, 0)
	wantCode(t, err, pair.Usage, "certificate")
	if known, err = b.SetCertificate(ctx, given, 0); err != nil || known.Version != 1 || known.Site == nil || known.Site.Names[0] != "www.example.org" {
		t.Fatalf("got %+v, %v", known, err)
	}
	if shown, _, _ := b.public.Site(); shown.Fingerprint() != known.Site.Fingerprint {
		t.Error("it is not in force")
	}
	_, err = b.SetCertificate(ctx, given, 0)
	wantCode(t, err, pair.Stale)
	if known, err = b.RemoveCertificate(ctx, 1); err != nil || known.Site != nil || known.Version != 2 {
		t.Errorf("removed: %+v, %v", known, err)
	}
	_, err = b.RemoveCertificate(ctx, 2)
	wantCode(t, err, pair.Refused)
}

func TestASelfSignedCertificateIsForHostNameAndSharedIPs(t *testing.T) {
	b, ctx := publicAppliance(t)
	if _, err := b.SaveSite(ctx, api.SavedSite{Site: pair.Site{HostName: "www.example.org"}}); err != nil {
		t.Fatal(err)
	}
	known, err := b.SelfSignCertificate(ctx, 0)
	if err != nil || strings.Join(known.Site.Names, " ") != "www.example.org 198.51.100.10" || !known.Site.SelfSigned {
		t.Fatalf("got %+v, %v", known.Site, err)
	}
	if lasting := known.Site.NotAfter.Sub(known.Site.NotBefore); lasting > 825*24*time.Hour {
		t.Errorf("valid for %s: some browsers refuse more than 825 days", lasting)
	}
}

// Whatever is shown or told of a certificate, its key is not in it.
func TestTheKeyOfTheCertificateStaysInside(t *testing.T) {
	b, ctx := publicAppliance(t)
	document := stored(t, time.Hour, "www.example.org")
	known, err := b.SetCertificate(ctx, api.NewCertificate{Certificate: document.Chain, Key: document.Key}, 0)
	if err != nil {
		t.Fatal(err)
	}
	secret := document.Key[60:120]
	shown, err := json.Marshal(known)
	if err != nil || strings.Contains(string(shown), secret) || strings.Contains(string(shown), "PRIVATE") {
		t.Errorf("shown: %s, %v", shown, err)
	}
	b.history.flush(ctx)
	events, err := b.History(ctx, api.HistoryFilter{Limit: 100})
	if text, jsonErr := json.Marshal(events); err != nil || jsonErr != nil || strings.Contains(string(text), secret) {
		t.Errorf("in the history: %v %v", err, jsonErr)
	}
}

// A page or certificate that cannot be shown keeps nobody from serving.
func TestAnApplianceStartsWithADamagedCertificate(t *testing.T) {
	b, ctx := publicAppliance(t)
	event := pair.Event{Kind: pair.KindSettingChanged, Text: "damaged"}
	if _, err := b.site.Documents.Save(ctx, store.CertificateDocument, []byte(`{"chain":"x","key":"y"}`), 0, event); err != nil {
		t.Fatal(err)
	}
	if err := b.openPublic(ctx); err != nil {
		t.Fatal(err)
	}
	b.acts.certificates.Public = b.public
	if err := b.reload(ctx); err != nil {
		t.Errorf("settings are not read because of it: %v", err)
	}
	made, err := b.SelfSignCertificate(ctx, 1)
	if err != nil || made.Site == nil {
		t.Errorf("it cannot be replaced: %+v, %v", made, err)
	}
}

func TestProtectedDataIsTestedBeforeItIsAdded(t *testing.T) {
	b, ctx := publicAppliance(t)
	dir := t.TempDir()
	b.allowing.Protect = append(b.allowing.Protect, dir)
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := func(name, path string) api.DataSpec { return api.DataSpec{Name: name, Kind: "dir", Path: path} }
	checks, err := b.TestData(ctx, spec("www", dir))
	if err != nil || len(checks) != 4 {
		t.Fatalf("got %+v, %v", checks, err)
	}
	for i, words := range []string{"keep apart", "can be read", "1 file, 5 B", "free"} {
		if !checks[i].OK || !strings.Contains(checks[i].Text, words) {
			t.Errorf("%d: %+v, want %q", i, checks[i], words)
		}
	}
	for path, words := range map[string]string{
		filepath.Join(dir, "absent"): "is not there", filepath.Join(dir, "index.html"): "not a directory", b.config.DataDir: "cannot be protected",
		"/": "cannot be protected", "relative": "cannot be protected", "/etc": "cannot be protected", "/srv/../etc": "cannot be protected",
	} {
		checks, err := b.TestData(ctx, spec("www", path))
		if last := checks[len(checks)-1]; err != nil || last.OK || !strings.Contains(last.Text, words) || last.NextStep == "" {
			t.Errorf("%s: %+v, %v, want %q", path, checks, err, words)
		}
	}
	wantCode(t, b.AddData(ctx, spec("www", filepath.Join(dir, "absent"))), pair.Usage, "path")
	wantCode(t, b.AddData(ctx, spec("No Name", dir)), pair.Usage, "name")
	for _, path := range []string{filepath.Join(dir, "absent"), "relative", "/etc"} {
		wantCode(t, b.AddData(ctx, spec("No Name", path)), pair.Usage, "name", "path")
	}
	if checks, err := b.TestData(ctx, spec("No Name", dir)); err != nil || !strings.HasPrefix(checks[0].NextStep, `"No Name" is not a name`) {
		t.Errorf("a bad name: %+v, %v", checks, err)
	}
	if err := b.AddData(ctx, spec("www", dir)); err != nil {
		t.Fatal(err)
	}
	if checks, err := b.TestData(ctx, spec("again", dir)); err != nil || checks[0].OK {
		t.Errorf("an overlap: %+v, %v", checks, err)
	}
	known, err := b.Protection(ctx)
	if err != nil || len(known.Data) != 1 || !known.Data[0].Health.OK || known.Data[0].State != api.DataAlone || known.Data[0].Measured {
		t.Errorf("got %+v, %v", known.Data, err)
	}
	if known.Site.Name != pair.SiteDatabaseName || !known.Site.Measured || known.Site.Bytes == 0 {
		t.Errorf("the site database: %+v", known.Site)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if known, err = b.Protection(ctx); err != nil || known.Data[0].Health.OK {
		t.Errorf("a directory that is gone: %+v, %v", known.Data, err)
	}
}

func TestNamesOfACertificateCannotSteerATerminal(t *testing.T) {
	made, err := certificate.SelfSigned(certificate.Hosts{Names: []string{"a\x1b[31mb"}}, time.Now(), time.Hour)
	if err != nil {
		t.Skip("such a certificate cannot be made: ", err)
	}
	for _, text := range append(made.Names(), made.Issuer()) {
		if strings.ContainsRune(text, 0x1b) {
			t.Errorf("%q", text)
		}
	}
}
