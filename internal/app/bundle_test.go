package app

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"baton/internal/pair"
	"baton/internal/store"
)

// bundleOf returns the files of a support bundle by name.
func bundleOf(t *testing.T, a *Appliance) map[string]string {
	t.Helper()
	var packed bytes.Buffer
	if err := a.tested().SupportBundle(asAnn(t), &packed); err != nil {
		t.Fatal(err)
	}
	zipped, err := gzip.NewReader(&packed)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(zipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(header.Name)] = string(text)
	}
}

// plant puts a secret into every place that holds one, and returns them by place.
func plant(t *testing.T, a *Appliance) map[string]string {
	t.Helper()
	ctx := asAnn(t)
	secrets := map[string]string{
		"pre-shared key":      "zebra-lamp-orbit-quill-42",
		"password":            "violet horse battery",
		"password of SMTP":    "smtp/pass+word \"42\" é",
		"secret of a webhook": "whsec_9f8e7d6c5b4a",
		"session":             "5e55105e55105e55105e55105e5510",
		"setup token":         a.setupToken,
		"one-time codes":      "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
	}
	code, err := totp.GenerateCode(secrets["one-time codes"], time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.tested().SetKey(ctx, secrets["pre-shared key"]); err != nil {
		t.Fatal(err)
	}
	if err := a.site.Users.Add(ctx, pair.NewUser{Name: "bob", Role: pair.Viewer, Password: secrets["password"]}); err != nil {
		t.Fatal(err)
	}
	recovery, err := a.site.Users.SetTOTP(ctx, "bob", secrets["one-time codes"], code)
	if err != nil {
		t.Fatal(err)
	}
	secrets["recovery code"] = recovery[0]
	created, err := a.tested().CreateToken(ctx, pair.NewToken{Name: "monitor", Role: pair.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	secrets["API token"] = created.Secret
	if err := a.site.Sessions.Begin(ctx, store.Session{ID: secrets["session"], User: "bob", Expires: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	certified := stored(t, time.Hour, "example.org")
	secrets["key of the certificate"] = certified.Key
	for name, document := range map[string]any{
		"notifications": map[string]any{"smtp": map[string]string{"password": secrets["password of SMTP"]}, "webhooks": []any{map[string]string{"secret": secrets["secret of a webhook"]}}},
		"certificate":   certified,
	} {
		text, err := json.Marshal(document)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.site.Documents.Save(ctx, name, text, 0, pair.Event{Kind: pair.KindSettingChanged, Text: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := a.site.Secrets(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i, secret := range stored { // hashes of passwords, tokens, codes
		if len(secret) >= 8 {
			secrets["stored "+string(rune('a'+i))] = secret
		}
	}
	link, err := vault{a.local}.Load()
	if err != nil {
		t.Fatal(err)
	}
	secrets["stretched key"] = string(link.Key.PRS)
	for _, name := range []string{"identity.pem", "console.pem"} {
		text, err := os.ReadFile(filepath.Join(a.config.DataDir, "local", name))
		if err != nil {
			t.Fatal(err)
		}
		secrets[name] = string(text)
	}
	return secrets
}

// slip lets every secret slip into the log and the history, as a careless message
// would, in several writings. Those that are not stored here cannot be found again.
func slip(t *testing.T, a *Appliance, secrets map[string]string) {
	t.Helper()
	for place, secret := range secrets {
		if slices.Contains([]string{"pre-shared key", "password", "recovery code", "API token"}, place) {
			continue
		}
		for _, form := range careless(secret) {
			a.log.Info("careless message", slog.String("answer", form))
			if _, err := a.site.History.Append(t.Context(), pair.Event{Kind: pair.KindSyncFailed, Text: "careless: " + form, Detail: map[string]string{"error": form}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.log.Info("a name tells it", slog.String("password", secrets["password"]), slog.String("setup_token", secrets["setup token"]))
}

// careless are the ways in which a message may carry a secret along.
func careless(secret string) []string {
	quoted, _ := json.Marshal(secret) // a string always can be
	plain := []byte(secret)
	return []string{
		secret, strings.Trim(string(quoted), `"`), url.QueryEscape(secret), url.PathEscape(secret), hex.EncodeToString(plain),
		strings.ToUpper(hex.EncodeToString(plain)), base64.RawStdEncoding.EncodeToString(plain), base64.RawURLEncoding.EncodeToString(plain),
	}
}

// writings are the ways in which a secret could be read in a bundle.
func writings(secret string) []string {
	if block, rest := pem.Decode([]byte(secret)); block != nil {
		var all []string
		for ; block != nil; block, rest = pem.Decode(rest) {
			if strings.Contains(block.Type, "PRIVATE") {
				text := base64.StdEncoding.EncodeToString(block.Bytes)
				all = append(all, text[:60], text[len(text)-60:], hex.EncodeToString(block.Bytes), string(block.Bytes))
			}
		}
		return all
	}
	plain := []byte(secret)
	return []string{
		secret, hex.EncodeToString(plain), strings.ToUpper(hex.EncodeToString(plain)),
		base64.RawStdEncoding.EncodeToString(plain), base64.RawURLEncoding.EncodeToString(plain),
	}
}

func TestNoSecretIsInTheSupportBundle(t *testing.T) {
	a := runningAppliance(t)
	secrets := plant(t, a)
	slip(t, a, secrets)
	for name, text := range bundleOf(t, a) {
		for place, secret := range secrets {
			for _, form := range writings(secret) {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("%s holds the %s: ...%.60q", name, place, text[max(at-20, 0):])
				}
			}
		}
	}
}

func TestTheSupportBundleTellsWhatASupporterNeeds(t *testing.T) {
	a := runningAppliance(t)
	a.log.Info("a line of the log", slog.Int("n", 42))
	if _, err := a.site.History.Append(t.Context(), pair.Event{Kind: pair.KindPaired, Text: "alpha and beta are a pair"}); err != nil {
		t.Fatal(err)
	}
	files := bundleOf(t, a)
	for name, words := range map[string]string{
		"README.txt": "goroutines.txt", "software.json": `"version": "1.2.3"`, "status.json": `"role"`, "doctor.json": `"id": "key"`,
		"settings.json": `"primary_timeout"`, "configuration.json": a.config.DataDir, "data.json": "[", "decision.txt": "Timeout:",
		"history.jsonl": "alpha and beta are a pair", "log.txt": `msg="a line of the log" n=42`, "network.txt": "Routes", "machine.txt": "/proc/meminfo",
		"metrics.txt": "baton_build_info", "goroutines.txt": "goroutine ",
	} {
		if !strings.Contains(files[name], words) {
			t.Errorf("%s lacks %q: %.300q", name, words, files[name])
		}
		if strings.Contains(files[name], "could not be read") {
			t.Errorf("%s: %s", name, files[name])
		}
	}
	if len(files) != len(a.bundleFiles(a.acts))+1 {
		t.Errorf("%d files", len(files))
	}
}
