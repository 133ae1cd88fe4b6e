package software_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"baton/internal/api"
	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// upload sends a backup to be inspected, the fields in the order of the page.
func upload(b *consoletest.Browser, password string, file []byte) consoletest.Page {
	b.T.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("password", password); err != nil {
		b.T.Fatal(err)
	}
	part, err := form.CreateFormFile("file", "site.age")
	if err != nil {
		b.T.Fatal(err)
	}
	if _, err := part.Write(file); err != nil {
		b.T.Fatal(err)
	}
	if err := form.Close(); err != nil {
		b.T.Fatal(err)
	}
	r, err := http.NewRequestWithContext(b.T.Context(), http.MethodPost, b.Server.URL+software+"/inspect", &body)
	if err != nil {
		b.T.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.Do(r)
}

const software = page.Root + "/management/software"

func TestABackupIsDownloadedLookedIntoAndRestored(t *testing.T) {
	b := consoletest.Open(t).SignIn(pair.Administrator)
	b.Appliance.Protect(t, "www")
	protected := b.Appliance.Backend().Data
	saved := b.Post(software+"/backup", "password", "long enough it is", "again", "long enough it is")
	name := saved.Header.Get("Content-Disposition")
	if saved.Status != http.StatusOK || !strings.HasPrefix(name, "attachment; filename=baton-alpha-") || !strings.HasSuffix(name, ".age") {
		t.Fatalf("%d %q", saved.Status, name)
	}
	if err := protected.RemoveData(t.Context(), "www"); err != nil {
		t.Fatal(err)
	}
	asked := upload(b, "long enough it is", []byte(saved.Body))
	asked.Has(t, "Baton 1.2.3", "3; of these may sign in as administrators: 1", "Everybody is signed out")
	id := asked.Value(t, "id")
	if data, err := protected.Data(t.Context()); err != nil || len(data) != 0 {
		t.Fatalf("looking into it restored it: %v %v", data, err)
	}
	if p := b.Post(software+"/restore", "id", id); !strings.HasPrefix(p.Path, page.Root) || strings.Contains(p.Body, "Download backup") {
		t.Errorf("whoever restored it is still signed in at %s", p.Path)
	}
	b.SignIn(pair.Administrator)
	if data, err := protected.Data(t.Context()); err != nil || len(data) != 1 {
		t.Errorf("%v %v", data, err)
	}
	if p := b.Post(software+"/restore", "id", id); p.Status != http.StatusUnprocessableEntity {
		t.Errorf("restored twice: %d", p.Status)
	}
}

func TestARefusedBackupFormShowsWhatIsWrongAndNoPassword(t *testing.T) {
	b := consoletest.Open(t).SignIn(pair.Administrator)
	for _, wrong := range []struct {
		name string
		page consoletest.Page
		text string
	}{
		{"two passwords", b.Post(software+"/backup", "password", "one password 1", "again", "another password"), "The two passwords differ"},
		{"a short one", b.Post(software+"/backup", "password", "sh0rt", "again", "sh0rt"), "10 "},
		{"a wrong file", upload(b, "any password", []byte("PK\x03\x04")), "not a backup of Baton"},
		{"no form", b.Post(software + "/inspect"), "multipart"},
		{"too large", upload(b, "any password", make([]byte, api.MaxBackup+page.MaxForm)), "larger than 33.6 MB"},
	} {
		if wrong.page.Status != http.StatusUnprocessableEntity || !strings.Contains(strings.ToLower(wrong.page.Body), strings.ToLower(wrong.text)) {
			t.Errorf("%s: %d, lacks %q", wrong.name, wrong.page.Status, wrong.text)
		}
		for _, password := range []string{"one password 1", "another password", "sh0rt", "any password"} {
			if strings.Contains(wrong.page.Body, password) {
				t.Errorf("%s: the page shows the password", wrong.name)
			}
		}
	}
}

func TestSoftwareTellsWhetherTheTwoVersionsAreTheSame(t *testing.T) {
	b := consoletest.Open(t).SignIn(pair.Viewer)
	alone := b.Get(software)
	alone.Has(t, "Baton 1.2.3", "With a second appliance")
	b.Appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer = pair.Primary, &pair.PeerStatus{Name: "beta", Address: "198.51.100.2:443", Version: "1.2.2"}
	})
	b.Get(software).Has(t, "Baton 1.2.2", "the two versions differ", "Switch the roles")
	if strings.Contains(alone.Body, "Download backup") {
		t.Error("a viewer is offered a backup")
	}
	b.Get(software+"/licences").Has(t, "github.com/spf13/cobra", "MIT")
	b.Get(software+"/licences.txt").Has(t, "Permission is hereby granted")
}

func TestTheSupportBundleIsAFile(t *testing.T) {
	p := consoletest.Open(t).SignIn(pair.Administrator).Post(software + "/support-bundle")
	if p.Status != http.StatusOK || !strings.Contains(p.Header.Get("Content-Disposition"), "baton-support-alpha-") || !strings.HasPrefix(p.Body, "\x1f\x8b") {
		t.Errorf("%d %v %.10q", p.Status, p.Header, p.Body)
	}
}

func TestOnABackupOnlyThePrimaryRestores(t *testing.T) {
	b := consoletest.Open(t).SignIn(pair.Administrator)
	b.Appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer = pair.Backup, &pair.PeerStatus{Name: "beta", Address: "198.51.100.2:443"}
	})
	b.Get(software).Has(t, "gets what is set from its primary", "https://198.51.100.2/login/management/software", "Download backup")
	if p := upload(b, "any password", []byte("baton backup any password\n")); p.Status != http.StatusUnprocessableEntity {
		t.Errorf("a backup looks into a file: %d", p.Status)
	}
	b.Get(page.Root+"/management/api").Has(t, "gets its tokens from its primary")
}
