package console

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/pair"
)

// sendFiles sends the certificate's form: fields, then files by the name of their field.
func (b *browser) sendFiles(fields, files map[string]string) page {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			b.t.Fatal(err)
		}
	}
	for name, text := range files {
		part, err := form.CreateFormFile(name, "file.pem")
		if err != nil {
			b.t.Fatal(err)
		}
		if _, err := part.Write([]byte(text)); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		b.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.server.URL+Root+"/site/certificate", &body)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

func TestTheSiteIsSavedAndTheSecondOfTwoIsTold(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	first := b.get(Root + "/site")
	first.has(t, "Site name", "/srv/www", "The site has no certificate of its own", "<dd>alpha</dd>", "self-signed")
	version := first.value(t, "version")
	p := b.post(Root+"/site", "version", version, "name", "Help desk", "host_name", "www.example.org", "title", "Back soon", "message", "One.\r\n\r\nTwo.")
	p.has(t, "The site is saved.", `value="Help desk"`, "https://www.example.org/")
	p = b.post(Root+"/site", "version", version, "name", "Support", "host_name", "www.example.org", "title", "Back soon", "message", "One.\r\n\r\nTwo.")
	if p.status != http.StatusConflict {
		t.Errorf("the second of two: %d", p.status)
	}
	p.has(t, "Somebody else has saved this while you were typing", "Saved by somebody else meanwhile: Help desk.", `value="Support"`)
	if strings.Count(p.body, "saved by somebody else")+strings.Count(p.body, "Saved by somebody else") != 2 { // summary, and beside the field
		t.Error("fields are marked that do not differ")
	}
	p = b.post(Root+"/site", "version", p.value(t, "version"), "name", "Support", "host_name", "", "title", "", "message", "")
	p.has(t, "The site is saved.", `value="Support"`)
}

func TestWhatTheSiteRefusesStaysAsTyped(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	evil := `"><script>alert(1)</script>`
	p := b.post(Root+"/site", "version", "0", "name", evil, "host_name", "https://www.example.org", "title", evil, "message", "</textarea>"+evil)
	if p.status != http.StatusUnprocessableEntity || strings.Contains(p.body, "<script>alert") || strings.Contains(p.body, "</textarea>"+`"`) {
		t.Errorf("%d: %s", p.status, p.body)
	}
	p.has(t, "without https:// and port", `value="https://www.example.org"`, `aria-describedby="field-site-host_name-hint field-site-host_name-error"`)
	for _, name := range []string{"a\r\nSet-Cookie: x=y", "a b", strings.Repeat("a", 300)} {
		if p := b.post(Root+"/site", "version", "0", "host_name", name); p.status != http.StatusUnprocessableEntity || p.header.Get("Set-Cookie") == "x=y" {
			t.Errorf("host name %q: %d", name, p.status)
		}
	}
	p = b.post(Root+"/site", "version", "0", "name", evil)
	p.has(t, "The site is saved.")
	if strings.Contains(p.body, "<script>alert") {
		t.Error("the saved name runs")
	}
	if p := b.post(Root+"/site", "version", "nonsense", "name", "x"); p.status != http.StatusConflict {
		t.Errorf("a version that is none: %d", p.status)
	}
}

func TestTheTimeZoneIsSavedAloneAndRefusedByName(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	nowhere := b.post(Root+"/site/time-zone", "was-time_zone", "UTC", "time_zone", "Europe/Nowhere")
	nowhere.has(t, "Use a name of the time zone database", `value="Europe/Nowhere"`)
	if nowhere.status != http.StatusUnprocessableEntity {
		t.Errorf("a refused time zone: %d", nowhere.status)
	}
	b.post(Root+"/site/time-zone", "was-time_zone", "UTC", "time_zone", " Europe/Berlin ").has(t, "The time zone is saved.", `value="Europe/Berlin"`)
	p := b.post(Root+"/site/time-zone", "was-time_zone", "UTC", "time_zone", "Asia/Tokyo")
	p.has(t, "Saved by somebody else meanwhile: Europe/Berlin.", `value="Asia/Tokyo"`)
	b.post(Root+"/site/time-zone", "was-time_zone", "Europe/Berlin", "time_zone", "Asia/Tokyo").has(t, "The time zone is saved.")
}

func TestACertificateIsUploadedOrPasted(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	somePEM, someKey := admintest.NewCertificate(t, "www.example.org")
	secret := strings.Split(someKey, "\n")[1]
	p := b.sendFiles(map[string]string{"version": "0"}, map[string]string{"certificate_file": somePEM, "key_file": someKey})
	p.has(t, "The certificate is saved, and shown from now on.", "<dd>www.example.org</dd>")
	p = b.sendFiles(map[string]string{"version": "1", "certificate": somePEM, "key": someKey}, map[string]string{"certificate_file": ""})
	p.has(t, "The certificate is saved")
	p = b.sendFiles(map[string]string{"version": "1", "certificate": somePEM, "key": someKey}, nil)
	p.has(t, "Somebody else has changed the certificate meanwhile")
	if strings.Contains(p.body, secret) || p.status != http.StatusConflict {
		t.Errorf("the key is shown again, or %d", p.status)
	}
	p = b.sendFiles(map[string]string{"version": "2", "certificate": "no PEM", "key": someKey}, nil)
	p.has(t, "There is none: it begins with -----BEGIN CERTIFICATE-----.", ">no PEM</textarea>")
	if strings.Contains(p.body, secret) || p.status != http.StatusUnprocessableEntity {
		t.Errorf("the key is shown again, or %d", p.status)
	}
	b.post(Root+"/site/certificate/self-signed", "version", "2").has(t, "A self-signed certificate is made", "made anew by itself 30 days before", "Browsers warn until")
	b.post(Root+"/site/certificate/remove", "version", "2").has(t, "Somebody else has changed the certificate meanwhile")
	b.post(Root+"/site/certificate/remove", "version", "3").has(t, "The certificate is removed", "The site has no certificate of its own")
}

func TestHowLongACertificateLastsIsShown(t *testing.T) {
	t.Parallel()
	now := admintest.Start()
	v := &visit{console: &Console{now: func() time.Time { return now }}, zone: time.UTC}
	for left, want := range map[time.Duration]certificateShown{
		-time.Hour:          {State: "critical", Left: "expired"},
		7 * 24 * time.Hour:  {State: "warning", Left: "7 days left"},
		90 * 24 * time.Hour: {State: "good", Left: "90 days left"},
	} {
		got := v.certificate(api.Certificate{Names: make([]string, 15), NotAfter: now.Add(left)})
		if got.State != want.State || got.Left != want.Left || len(got.Shown) != 12 || got.More != 3 {
			t.Errorf("%s: %s, %s, %d names and %d more", left, got.State, got.Left, len(got.Shown), got.More)
		}
	}
}

func TestAnUploadBombIsRefused(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	bomb := strings.Repeat("A", maxCertificateForm)
	p := b.sendFiles(map[string]string{"version": "0"}, map[string]string{"certificate_file": bomb, "key_file": bomb})
	if p.status != http.StatusUnprocessableEntity {
		t.Errorf("%d", p.status)
	}
	p.has(t, "larger than any certificate and key")
	many := map[string]string{}
	for i := range 2000 {
		many["f"+strings.Repeat("x", i%50)+string(rune('a'+i%26))+strings.Repeat("y", i/50)] = ""
	}
	if p := b.sendFiles(many, nil); p.status != http.StatusUnprocessableEntity {
		t.Errorf("2000 parts: %d", p.status)
	}
	if p := b.post(Root+"/site", "version", "0", "message", strings.Repeat("A", maxForm)); p.status != http.StatusUnprocessableEntity {
		t.Errorf("a huge form: %d", p.status)
	}
}

func TestAViewerSeesTheSiteAndChangesNothing(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Viewer)
	p := b.get(Root + "/site")
	p.has(t, "Site name", "disabled")
	if strings.Contains(p.body, `action="/login/site/certificate"`) || strings.Contains(p.body, ">Save</button>") {
		t.Error("a viewer is offered to save")
	}
	if p := b.get(Root + "/protection"); strings.Contains(p.body, "Protect a directory") || strings.Contains(p.body, "Remove") {
		t.Error("a viewer is offered to protect")
	}
}

func TestOnABackupTheSiteComesFromThePrimary(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	b.appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer = pair.Backup, &pair.PeerStatus{Name: "beta", Address: "198.51.100.2:443"}
	})
	for path, about := range map[string]string{"/site": "it gets the site from its primary", "/protection": "it gets the protected data from its primary"} {
		p := b.get(Root + path)
		if p.path != Root+"/status" {
			t.Errorf("%s leads to %s", path, p.path)
		}
		p.has(t, about)
	}
}

func TestDataIsTestedProtectedAndRemoved(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	b.get(Root+"/protection").has(t, "Site database", "always protected", "no backup")
	www, other, missing := b.appliance.Directory(t, "www"), b.appliance.Directory(t, "other"), b.appliance.Tree()+"/missing"
	p := b.post(Root+"/protection", "name", "www", "path", missing, "action", "test")
	p.has(t, "This cannot be protected as it is.", missing+" is not there.", `value="`+missing+`"`)
	b.post(Root+"/protection", "name", "www", "path", www, "action", "test").has(t, "This can be protected.", www+" is there and can be read.", "It holds 2 files, 14 B.")
	if p := b.get(Root + "/protection"); strings.Contains(p.body, www+"</code>") {
		t.Error("a test protects")
	}
	b.post(Root+"/protection", "name", "www", "path", www).has(t, www+" is protected as www.", www+"</code>", "not measured yet")
	p = b.post(Root+"/protection", "name", "www", "path", other)
	if p.status != http.StatusConflict {
		t.Errorf("the same name: %d", p.status)
	}
	p.has(t, "There is already protected data &#34;www&#34;", `value="`+other+`"`)
	b.get(Root+"/protection/remove/www").has(t, "will no longer be protected", "Its files stay where they are, on both appliances.")
	b.post(Root+"/protection/remove/www").has(t, "www is no longer protected. Its files stay")
	b.post(Root+"/protection/remove/www").has(t, "There is no protected data &#34;www&#34;")
	b.get(Root+"/protection/remove/www").has(t, "There is no protected data named www any more.")
}

func TestProtectedDataShowsSizeSyncAndHealth(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Viewer)
	b.appliance.Protect(t, "www")
	broken := b.appliance.Protect(t, "broken")
	b.appliance.Change(func(s *pair.Status) { s.Role, s.Peer = pair.Primary, &pair.PeerStatus{Name: "beta"} })
	b.appliance.Sync(t)
	if err := os.RemoveAll(broken); err != nil {
		t.Fatal(err)
	}
	b.get(Root+"/protection").has(t, "in snapshot 1", "14 B", "readable", broken+" is not there. Make it, mount its disk, or correct the path.")
}
