package store

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"baton/internal/pair"
)

func TestACopyWithoutSecretsHoldsNone(t *testing.T) {
	s := openSite(t, alpha)
	ctx := t.Context()
	if err := s.Users.Add(ctx, pair.NewUser{Name: "ann", Role: pair.Administrator, Password: "correct horse"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Tokens.Create(ctx, pair.NewToken{Name: "monitor", Role: pair.Viewer}); err != nil {
		t.Fatal(err)
	}
	if err := s.Sessions.Begin(ctx, Session{ID: "session-4711", User: "ann", Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"site": `{"name":"Help desk"}`, "certificate": `{"chain":"-----BEGIN CERTIFICATE-----\npublic\n","key":"-----BEGIN PRIVATE KEY-----\nnobody else's\n"}`,
		"notifications": `{"smtp":{"host":"mail.example.org","password":"of the mail"},"webhooks":[{"url":"https://x.example","secret":"of the webhook"}]}`,
	} {
		if _, err := s.Documents.Save(ctx, name, []byte(text), 0, pair.Event{Kind: pair.KindSettingChanged, Text: "saved"}); err != nil {
			t.Fatal(err)
		}
	}
	secrets, err := s.Secrets(ctx)
	if err != nil || len(secrets) < 6 {
		t.Fatalf("%d secrets, %v", len(secrets), err)
	}
	path := filepath.Join(t.TempDir(), "copy.db")
	if err := s.Copy(ctx, path); err != nil {
		t.Fatal(err)
	}
	if err := StripSecrets(ctx, path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range append(secrets, "nobody else's", "of the mail", "of the webhook") {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("the copy holds %q", secret)
		}
	}
	for _, kept := range []string{"Help desk", "mail.example.org", "BEGIN CERTIFICATE", "ann"} {
		if !bytes.Contains(text, []byte(kept)) {
			t.Errorf("the copy lacks %q", kept)
		}
	}
	left := reopenSite(t, path, alpha)
	if after, err := left.Secrets(ctx); err != nil || len(after) != 0 {
		t.Errorf("left: %q, %v", after, err)
	}
	if document, _, err := s.Documents.Get(ctx, "certificate"); err != nil || !bytes.Contains(document, []byte("nobody else's")) {
		t.Errorf("the database itself lost its key: %v", err)
	}
}
