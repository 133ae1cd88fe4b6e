package app

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"baton/internal/pair"
)

const backupPassword = "a long password"

// sealed encrypts what a test puts into a backup.
func sealed(t *testing.T, text string) *bytes.Buffer {
	t.Helper()
	recipient, err := age.NewScryptRecipient(backupPassword)
	if err != nil {
		t.Fatal(err)
	}
	recipient.SetWorkFactor(10) // cheap
	var out bytes.Buffer
	w, err := age.Encrypt(&out, recipient)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(w, text)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return &out
}

func TestABackupIsLookedIntoAndRestored(t *testing.T) {
	a, ctx := runningAppliance(t), asAnn(t)
	if _, err := a.site.Documents.Save(ctx, "site", []byte(`{"name":"Help desk"}`), 0, pair.Event{Kind: pair.KindSettingChanged, Text: "x"}); err != nil {
		t.Fatal(err)
	}
	token, err := a.site.Tokens.Create(ctx, pair.NewToken{Name: "monitor", Role: pair.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := a.tested().CreateBackup(ctx, backupPassword, &file); err != nil {
		t.Fatal(err)
	}
	if text := file.String(); strings.Contains(text, "Help desk") || strings.Contains(text, "argon2id") {
		t.Error("the backup is readable without its password")
	}
	if err := errors.Join(a.site.Tokens.Revoke(ctx, "monitor"), a.site.Users.Add(ctx, pair.NewUser{Name: "bob", Role: pair.Viewer, Password: "correct horse"})); err != nil {
		t.Fatal(err)
	}
	holds, err := a.tested().InspectBackup(ctx, backupPassword, bytes.NewReader(file.Bytes()))
	if err != nil || holds.SiteName != "Help desk" || holds.Users != 1 || holds.Administrators != 1 || holds.Tokens != 1 ||
		holds.Version != "1.2.3" || holds.Appliance != "alpha" || time.Since(holds.Made) > time.Minute {
		t.Fatalf("holds %+v, %v", holds, err)
	}
	if _, err := a.site.Users.Get(ctx, "bob"); err != nil {
		t.Errorf("looking into a backup changed something: %v", err)
	}
	if err := a.tested().RestoreInspected(ctx, "another"); pair.CodeOf(err) != pair.NotFound {
		t.Errorf("an id that is not known: %v", err)
	}
	if err := a.tested().RestoreInspected(ctx, holds.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := a.site.Tokens.Authenticate(ctx, token.Secret); err != nil {
		t.Errorf("the token of the backup: %v", err)
	}
	if _, err := a.site.Users.Get(ctx, "bob"); pair.CodeOf(err) != pair.NotFound {
		t.Errorf("who is not in the backup is still there: %v", err)
	}
	if err := a.tested().RestoreInspected(ctx, holds.ID); pair.CodeOf(err) != pair.NotFound {
		t.Errorf("restored twice: %v", err)
	}
}

func TestABackupOfTheFirstVersionsIsRestored(t *testing.T) {
	a, ctx := runningAppliance(t), asAnn(t)
	var export bytes.Buffer
	if err := a.site.Export(ctx, &export); err != nil {
		t.Fatal(err)
	}
	if err := a.tested().RestoreBackup(ctx, backupPassword, sealed(t, export.String())); err != nil {
		t.Fatal(err)
	}
}

func TestAFileThatIsNoBackupIsToldInASentence(t *testing.T) {
	a, ctx := runningAppliance(t), asAnn(t)
	var export bytes.Buffer
	if err := a.site.Export(ctx, &export); err != nil {
		t.Fatal(err)
	}
	whole := sealed(t, export.String())
	cut := whole.Bytes()[:whole.Len()-20]
	for name, bad := range map[string]struct {
		password string
		file     io.Reader
		words    string
	}{
		"another password":  {"another password", bytes.NewReader(whole.Bytes()), "does not open with this password"},
		"an empty file":     {backupPassword, strings.NewReader(""), "not a backup of Baton"},
		"a picture":         {backupPassword, strings.NewReader("\x89PNG\r\n"), "not a backup of Baton"},
		"endless header":    {backupPassword, strings.NewReader("age-encryption.org/v1\n" + strings.Repeat("-> scrypt AAAA 18\n", 1000)), "not a backup of Baton"},
		"costs 4 GiB":       {backupPassword, strings.NewReader("age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 22\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" + strings.Repeat("x", 100)), "not a backup of Baton"},
		"breaks off":        {backupPassword, bytes.NewReader(cut), "damaged or breaks off"},
		"encrypted letter":  {backupPassword, sealed(t, "Dear Ann,\nall is well.\n"), "damaged or breaks off"},
		"one endless line":  {backupPassword, sealed(t, strings.Repeat("x", 1<<20)), "damaged or breaks off"},
		"of a later format": {backupPassword, sealed(t, `{"baton_backup":2,"version":"9.0"}`+"\n"), "upgrade this appliance"},
		"of a later schema": {backupPassword, sealed(t, `{"schema":99}`+"\n"), "upgrade this appliance"},
		"of nobody":         {backupPassword, sealed(t, `{"schema":1}`+"\n"+`{"table":"setting_version","row":{"only":1,"version":1}}`+"\n"+`{"rows":1}`+"\n"), "no administrator"},
	} {
		err := a.tested().RestoreBackup(ctx, bad.password, bad.file)
		if pair.CodeOf(err) != pair.Refused || !strings.Contains(err.Error(), bad.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := a.site.Users.Authenticate(ctx, "ann", "correct horse"); err != nil {
		t.Errorf("a refused backup changed something: %v", err)
	}
	if err := a.tested().CreateBackup(ctx, "short", io.Discard); pair.CodeOf(err) != pair.Usage {
		t.Errorf("a short password: %v", err)
	}
}
