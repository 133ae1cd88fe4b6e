package app

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/certificate"
	"baton/internal/pair"
	"baton/internal/store"
	"baton/internal/store/local"
)

// days is so many days from now, each of 24 hours: a certificate knows no summer time.
func days(n int) time.Time { return time.Now().Add(time.Duration(n) * 24 * time.Hour) }

// selfSigned is a site for whose host name a certificate was made here.
func selfSigned(t *testing.T) (*tested, api.Certificate) {
	t.Helper()
	b := withUsers(t)
	site, err := b.Site(asAnn(t))
	if err != nil {
		t.Fatal(err)
	}
	site.HostName = "www.example.org"
	if _, err := b.SaveSite(asAnn(t), site); err != nil {
		t.Fatal(err)
	}
	known, err := b.SelfSignCertificate(asAnn(t), 0)
	if err != nil || !known.Site.Renewed || known.Console.Renewed {
		t.Fatal(known, err)
	}
	return b, *known.Site
}

// isShown reports whether a certificate of the site is in force.
func isShown(b *tested) bool {
	_, _, is := b.public.Site()
	return is
}

// shown is the site's certificate in force.
func shown(t *testing.T, b *tested) api.Certificate {
	t.Helper()
	known, err := b.Certificates(t.Context())
	if err != nil || known.Site == nil {
		t.Fatal(known, err)
	}
	return *known.Site
}

func TestACertificateThatWasMadeHereRenewsItself(t *testing.T) {
	b, first := selfSigned(t)
	const life = 2 * 365
	for _, day := range []int{0, life - 31} {
		if err := b.acts.certificates.Renew(t.Context(), days(day)); err != nil {
			t.Fatal(err)
		}
		if got := shown(t, b); got.Fingerprint != first.Fingerprint {
			t.Errorf("renewed on day %d: %+v", day, got)
		}
	}
	for range 2 { // the second time there is nothing to do
		if err := b.acts.certificates.Renew(t.Context(), days(life-30)); err != nil {
			t.Fatal(err)
		}
	}
	second := shown(t, b)
	if second.Fingerprint == first.Fingerprint || !slices.Equal(second.Names, first.Names) || !second.Renewed || second.NotAfter.Before(days(2*life-31)) {
		t.Errorf("renewed: %+v", second)
	}
	var lines []string
	for _, text := range told(t, b, pair.KindSettingChanged) {
		if strings.Contains(text, "renewed the self-signed certificate of the site, for www.example.org, valid until") {
			lines = append(lines, text)
		}
	}
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "baton ") {
		t.Errorf("in the history: %v", lines)
	}
	var kept certificate.Stored
	if _, err := b.site.Documents.Read(t.Context(), store.CertificateDocument, &kept); err != nil || !kept.Made {
		t.Errorf("kept: made here %t, %v", kept.Made, err)
	}
}

func TestACertificateThatWasSavedIsNeverReplaced(t *testing.T) {
	b, _ := selfSigned(t)
	given := stored(t, 40*24*time.Hour, "www.example.org") // self-signed as well
	known, err := b.SetCertificate(asAnn(t), api.NewCertificate{Certificate: given.Chain, Key: given.Key}, 1)
	if err != nil || known.Site.Renewed {
		t.Fatal(known, err)
	}
	if err := errors.Join(b.acts.certificates.Renew(t.Context(), days(20)), b.acts.certificates.Renew(t.Context(), days(50))); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, b); got.Fingerprint != known.Site.Fingerprint {
		t.Errorf("replaced by %+v", got)
	}
	if _, err := b.RemoveCertificate(asAnn(t), 2); err != nil {
		t.Fatal(err)
	}
	if err := b.acts.certificates.Renew(t.Context(), days(50)); err != nil || isShown(b) {
		t.Errorf("one that was removed is back, or %v", err)
	}
}

func TestABackupDoesNotRenew(t *testing.T) {
	b, first := selfSigned(t)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	own, err := local.Open(b.config.DataDir+"/local", b.identity.ID(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(own.Save(t.Context(), func(s *local.State) { s.Record.Role = pair.Backup }), own.Close()); err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), b.config, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	if a.agent.Decision().State.Record.Role != pair.Backup {
		t.Fatal("not a backup: the test proves nothing")
	}
	if err := a.acts.certificates.Renew(t.Context(), days(720)); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, a.tested()); got.Fingerprint != first.Fingerprint {
		t.Errorf("renewed: %+v", got)
	}
}

// It is no reason to wake anybody at the moment when it is renewed.
func TestOneThatRenewsItselfIsAConditionOnceThatIsLate(t *testing.T) {
	b, _ := selfSigned(t)
	const life = 2 * 365
	for day, want := range map[int]pair.Severity{life - 31: "", life - 30: "", life - 28: pair.Warning, life + 1: pair.Critical} {
		found := b.public.Conditions(days(day))
		if want == "" && len(found) > 0 || want != "" && (len(found) != 1 || found[0].Severity != want || !strings.Contains(found[0].NextStep, "by itself")) {
			t.Errorf("on day %d: %+v, want %q", day, found, want)
		}
	}
}
