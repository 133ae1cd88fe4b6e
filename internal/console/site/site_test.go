package site_test

import (
	"bytes"
	"database/sql"
	"errors"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"testing"

	"baton/internal/admin/admintest"
	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// sendFiles sends the certificate's form: fields, then files by the name of their field.
func sendFiles(b *consoletest.Browser, fields, files map[string]string) consoletest.Page {
	b.T.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			b.T.Fatal(err)
		}
	}
	for name, text := range files {
		part, err := form.CreateFormFile(name, "file.pem")
		if err != nil {
			b.T.Fatal(err)
		}
		if _, err := part.Write([]byte(text)); err != nil {
			b.T.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		b.T.Fatal(err)
	}
	r, err := http.NewRequestWithContext(b.T.Context(), http.MethodPost, b.Server.URL+page.Root+"/site/certificate", &body)
	if err != nil {
		b.T.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.Do(r)
}

func TestTheSiteIsSavedAndTheSecondOfTwoIsTold(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	first := b.Get(page.Root + "/site")
	first.Has(t, "Site name", "/srv/www", "The site has no certificate of its own", "<dd>alpha</dd>", "self-signed")
	version := first.Value(t, "version")
	p := b.Post(page.Root+"/site", "version", version, "name", "Help desk", "host_name", "www.example.org", "title", "Back soon", "message", "One.\r\n\r\nTwo.")
	p.Has(t, "The site is saved.", `value="Help desk"`, "https://www.example.org/")
	p = b.Post(page.Root+"/site", "version", version, "name", "Support", "host_name", "www.example.org", "title", "Back soon", "message", "One.\r\n\r\nTwo.")
	if p.Status != http.StatusConflict {
		t.Errorf("the second of two: %d", p.Status)
	}
	p.Has(t, "Somebody else has saved this while you were typing", "Saved by somebody else meanwhile: Help desk.", `value="Support"`)
	if strings.Count(p.Body, "saved by somebody else")+strings.Count(p.Body, "Saved by somebody else") != 2 { // summary, and beside the field
		t.Error("fields are marked that do not differ")
	}
	p = b.Post(page.Root+"/site", "version", p.Value(t, "version"), "name", "Support", "host_name", "", "title", "", "message", "")
	p.Has(t, "The site is saved.", `value="Support"`)
}

func TestWhatTheSiteRefusesStaysAsTyped(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	evil := `"><script>alert(1)</script>`
	p := b.Post(page.Root+"/site", "version", "0", "name", evil, "host_name", "https://www.example.org", "title", evil, "message", "</textarea>"+evil)
	if p.Status != http.StatusUnprocessableEntity || strings.Contains(p.Body, "<script>alert") || strings.Contains(p.Body, "</textarea>"+`"`) {
		t.Errorf("%d: %s", p.Status, p.Body)
	}
	p.Has(t, "without https:// and port", `value="https://www.example.org"`, `aria-describedby="field-site-host_name-hint field-site-host_name-error"`)
	for _, name := range []string{"a\r\nSet-Cookie: x=y", "a b", strings.Repeat("a", 300)} {
		if p := b.Post(page.Root+"/site", "version", "0", "host_name", name); p.Status != http.StatusUnprocessableEntity || p.Header.Get("Set-Cookie") == "x=y" {
			t.Errorf("host name %q: %d", name, p.Status)
		}
	}
	p = b.Post(page.Root+"/site", "version", "0", "name", evil)
	p.Has(t, "The site is saved.")
	if strings.Contains(p.Body, "<script>alert") {
		t.Error("the saved name runs")
	}
	if p := b.Post(page.Root+"/site", "version", "nonsense", "name", "x"); p.Status != http.StatusConflict {
		t.Errorf("a version that is none: %d", p.Status)
	}
}

func TestTheTimeZoneIsSavedAloneAndRefusedByName(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	nowhere := b.Post(page.Root+"/site/time-zone", "was-time_zone", "UTC", "time_zone", "Europe/Nowhere")
	nowhere.Has(t, "Use a name of the time zone database", `value="Europe/Nowhere"`)
	if nowhere.Status != http.StatusUnprocessableEntity {
		t.Errorf("a refused time zone: %d", nowhere.Status)
	}
	b.Post(page.Root+"/site/time-zone", "was-time_zone", "UTC", "time_zone", " Europe/Berlin ").Has(t, "The time zone is saved.", `value="Europe/Berlin"`)
	p := b.Post(page.Root+"/site/time-zone", "was-time_zone", "UTC", "time_zone", "Asia/Tokyo")
	p.Has(t, "Saved by somebody else meanwhile: Europe/Berlin.", `value="Asia/Tokyo"`)
	b.Post(page.Root+"/site/time-zone", "was-time_zone", "Europe/Berlin", "time_zone", "Asia/Tokyo").Has(t, "The time zone is saved.")
}

func TestACertificateIsUploadedOrPasted(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	somePEM, someKey := admintest.NewCertificate(t, "www.example.org")
	secret := strings.Split(someKey, "\n")[1]
	p := sendFiles(b, map[string]string{"version": "0"}, map[string]string{"certificate_file": somePEM, "key_file": someKey})
	p.Has(t, "The certificate is saved, and shown from now on.", "<dd>www.example.org</dd>")
	p = sendFiles(b, map[string]string{"version": "1", "certificate": somePEM, "key": someKey}, map[string]string{"certificate_file": ""})
	p.Has(t, "The certificate is saved")
	p = sendFiles(b, map[string]string{"version": "1", "certificate": somePEM, "key": someKey}, nil)
	p.Has(t, "Somebody else has changed the certificate meanwhile")
	if strings.Contains(p.Body, secret) || p.Status != http.StatusConflict {
		t.Errorf("the key is shown again, or %d", p.Status)
	}
	p = sendFiles(b, map[string]string{"version": "2", "certificate": "no PEM", "key": someKey}, nil)
	p.Has(t, "There is none: it begins with -----BEGIN CERTIFICATE-----.", ">no PEM</textarea>")
	if strings.Contains(p.Body, secret) || p.Status != http.StatusUnprocessableEntity {
		t.Errorf("the key is shown again, or %d", p.Status)
	}
	b.Post(page.Root+"/site/certificate/self-signed", "version", "2").Has(t, "A self-signed certificate is made", "made anew by itself 30 days before", "Browsers warn until")
	b.Post(page.Root+"/site/certificate/remove", "version", "2").Has(t, "Somebody else has changed the certificate meanwhile")
	b.Post(page.Root+"/site/certificate/remove", "version", "3").Has(t, "The certificate is removed", "The site has no certificate of its own")
}

func TestAnUploadBombIsRefused(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	bomb := strings.Repeat("A", 256<<10)
	p := sendFiles(b, map[string]string{"version": "0"}, map[string]string{"certificate_file": bomb, "key_file": bomb})
	if p.Status != http.StatusUnprocessableEntity {
		t.Errorf("%d", p.Status)
	}
	p.Has(t, "larger than any certificate and key")
	many := map[string]string{}
	for i := range 2000 {
		many["f"+strings.Repeat("x", i%50)+string(rune('a'+i%26))+strings.Repeat("y", i/50)] = ""
	}
	if p := sendFiles(b, many, nil); p.Status != http.StatusUnprocessableEntity {
		t.Errorf("2000 parts: %d", p.Status)
	}
	if p := b.Post(page.Root+"/site", "version", "0", "message", strings.Repeat("A", page.MaxForm)); p.Status != http.StatusUnprocessableEntity {
		t.Errorf("a huge form: %d", p.Status)
	}
}

func TestAViewerSeesTheSiteAndChangesNothing(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Viewer)
	p := b.Get(page.Root + "/site")
	p.Has(t, "Site name", "disabled")
	if strings.Contains(p.Body, `action="/login/site/certificate"`) || strings.Contains(p.Body, ">Save</button>") {
		t.Error("a viewer is offered to save")
	}
	if p := b.Get(page.Root + "/protection"); strings.Contains(p.Body, "Protect a directory") || strings.Contains(p.Body, "Remove") {
		t.Error("a viewer is offered to protect")
	}
}

func TestOnABackupTheSiteComesFromThePrimary(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	b.Appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer = pair.Backup, &pair.PeerStatus{Name: "beta", Address: "198.51.100.2:443"}
	})
	for path, about := range map[string]string{"/site": "it gets the site from its primary", "/protection": "it gets the protected data from its primary"} {
		p := b.Get(page.Root + path)
		if p.Path != page.Root+"/status" {
			t.Errorf("%s leads to %s", path, p.Path)
		}
		p.Has(t, about)
	}
}

func TestFilesOfARestorePointAreTakenOut(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	b.Get(page.Root+"/protection").Lacks(t, "Restore points")
	b.Appliance.RestorePoint(t, "www")
	b.Get(page.Root+"/protection").Has(t, "Restore points", page.Root+"/protection/restore-points/1")
	b.Get(page.Root+"/protection/restore-points/1").Has(t, "Snapshot 1", "1 file, 3 B", "as www/uploads")
	b.Get(page.Root+"/protection/restore-points/2").Has(t, "There is no restore point")
	b.Post(page.Root+"/protection/restore-points/1", "paths", "www/index.html").Has(t, "www/index.html", "old")
	b.Post(page.Root+"/protection/restore-points/1", "paths", "www/other").Has(t, "holds no")
	viewer := consoletest.Open(t).SignIn(pair.Viewer)
	viewer.Appliance.RestorePoint(t, "www")
	viewer.Get(page.Root+"/protection").Lacks(t, page.Root+"/protection/restore-points/1")
}

func TestDataIsTestedProtectedAndRemoved(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	b.Get(page.Root+"/protection").Has(t, "Site database", "always protected", "no backup")
	www, other, missing := b.Appliance.Directory(t, "www"), b.Appliance.Directory(t, "other"), b.Appliance.Tree()+"/missing"
	p := b.Post(page.Root+"/protection", "name", "www", "path", missing, "action", "test")
	p.Has(t, "This cannot be protected as it is.", missing+" is not there.", `value="`+missing+`"`)
	b.Post(page.Root+"/protection", "name", "www", "path", www, "action", "test").Has(t, "This can be protected.", www+" is there and can be read.", "It holds 2 files, 14 B.")
	if p := b.Get(page.Root + "/protection"); strings.Contains(p.Body, www+"</code>") {
		t.Error("a test protects")
	}
	b.Post(page.Root+"/protection", "name", "www", "path", www).Has(t, www+" is protected as www.", www+"</code>", "not measured yet")
	p = b.Post(page.Root+"/protection", "name", "www", "path", other)
	if p.Status != http.StatusConflict {
		t.Errorf("the same name: %d", p.Status)
	}
	p.Has(t, "There is already protected data &#34;www&#34;", `value="`+other+`"`)
	b.Post(page.Root+"/protection", "name", "other", "path", other, "peer_path", "/srv/elsewhere").Has(t, "establish the relationship first", `value="/srv/elsewhere"`)
	b.Get(page.Root+"/protection/exclude/www").Has(t, "Left out of www", www+"</code>")
	b.Post(page.Root+"/protection/exclude/www", "exclude", "cache/\r\n*.tmp", "was-exclude", "").Has(t, "What is left out of www is saved", "<code>*.tmp</code>, <code>cache/</code>")
	b.Get(page.Root+"/protection/exclude/www").Has(t, "*.tmp\ncache/</textarea>")
	b.Post(page.Root+"/protection/exclude/www", "exclude", "*", "was-exclude", "*.tmp\r\ncache/").Has(t, "leave nothing to sync", "*</textarea>")
	b.Post(page.Root+"/protection/exclude/www", "exclude", "other", "was-exclude", "older").Has(t, "Somebody else has saved this")
	b.Post(page.Root+"/protection/exclude/gone", "exclude", "a").Has(t, "There is no protected data")
	b.Get(page.Root+"/protection/remove/www").Has(t, "will no longer be protected", "Its files stay where they are, on both appliances.")
	b.Post(page.Root+"/protection/remove/www").Has(t, "www is no longer protected. Its files stay")
	b.Post(page.Root+"/protection/remove/www").Has(t, "There is no protected data &#34;www&#34;")
	b.Get(page.Root+"/protection/remove/www").Has(t, "There is no protected data named www any more.")
}

func TestADatabaseIsTestedAndProtected(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	www := b.Appliance.Directory(t, "www")
	file := www + "/app.db"
	db, err := sql.Open("sqlite", file)
	if err == nil {
		_, err = db.ExecContext(t.Context(), "pragma journal_mode=wal; create table t (a)")
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	b.Post(page.Root+"/protection", "name", "www", "path", www, "action", "test").Has(t, "This can be protected.", "holds 1 SQLite database (app.db)", "baton data add sqlite NAME "+file)
	b.Post(page.Root+"/protection", "name", "www", "path", www).Has(t, www+" is protected as www.")
	b.Post(page.Root+"/protection/database", "name", "app", "path", www+"/none.db", "action", "test").Has(t, "This cannot be protected as it is.", www+"/none.db is not there.")
	b.Post(page.Root+"/protection/database", "name", "app", "path", www+"/index.html", "action", "test").Has(t, "no SQLite database, or an encrypted one")
	b.Post(page.Root+"/protection/database", "name", "app", "path", file, "action", "test").Has(t, "This can be protected.", "is an SQLite database with a write-ahead log")
	b.Post(page.Root+"/protection/database", "name", "app", "path", file).Has(t, file+" is protected as app.", "SQLite database <code>"+file)
	b.Get(page.Root+"/protection").Lacks(t, "app.db-wal")
	b.Post(page.Root+"/protection/remove/app").Has(t, "app is no longer protected.")
}

func TestProtectedDataShowsSizeSyncAndHealth(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Viewer)
	b.Appliance.Protect(t, "www")
	broken := b.Appliance.Protect(t, "broken")
	b.Appliance.Change(func(s *pair.Status) { s.Role, s.Peer = pair.Primary, &pair.PeerStatus{Name: "beta"} })
	b.Appliance.Sync(t)
	if err := os.RemoveAll(broken); err != nil {
		t.Fatal(err)
	}
	b.Get(page.Root+"/protection").Has(t, "in snapshot 1", "14 B", "readable", broken+" is not there. Make it, mount its disk, or correct the path.")
}
