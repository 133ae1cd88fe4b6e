package console

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"baton/internal/api"
	"baton/internal/pair"
)

// upload sends a backup to be looked into, the fields in the order of the page.
func (b *browser) upload(password string, file []byte) page {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("password", password); err != nil {
		b.t.Fatal(err)
	}
	part, err := form.CreateFormFile("file", "site.age")
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := part.Write(file); err != nil {
		b.t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		b.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.server.URL+software+"/inspect", &body)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}

const software = Root + "/management/software"

func TestABackupIsDownloadedLookedIntoAndRestored(t *testing.T) {
	b := open(t).signIn(pair.Administrator)
	b.appliance.Protect(t, "www")
	protected := b.appliance.Backend().Data
	saved := b.post(software+"/backup", "password", "long enough it is", "again", "long enough it is")
	name := saved.header.Get("Content-Disposition")
	if saved.status != http.StatusOK || !strings.HasPrefix(name, "attachment; filename=baton-alpha-") || !strings.HasSuffix(name, ".age") {
		t.Fatalf("%d %q", saved.status, name)
	}
	if err := protected.RemoveData(t.Context(), "www"); err != nil {
		t.Fatal(err)
	}
	asked := b.upload("long enough it is", []byte(saved.body))
	asked.has(t, "Baton 1.2.3", "3; of these may sign in as administrators: 1", "Everybody is signed out")
	id := asked.value(t, "id")
	if data, err := protected.Data(t.Context()); err != nil || len(data) != 0 {
		t.Fatalf("looking into it restored it: %v %v", data, err)
	}
	if p := b.post(software+"/restore", "id", id); !strings.HasPrefix(p.path, Root) || strings.Contains(p.body, "Download backup") {
		t.Errorf("whoever restored it is still signed in at %s", p.path)
	}
	b.signIn(pair.Administrator)
	if data, err := protected.Data(t.Context()); err != nil || len(data) != 1 {
		t.Errorf("%v %v", data, err)
	}
	if p := b.post(software+"/restore", "id", id); p.status != http.StatusUnprocessableEntity {
		t.Errorf("restored twice: %d", p.status)
	}
}

func TestARefusedBackupFormShowsWhatIsWrongAndNoPassword(t *testing.T) {
	b := open(t).signIn(pair.Administrator)
	for _, wrong := range []struct {
		name string
		page page
		text string
	}{
		{"two passwords", b.post(software+"/backup", "password", "one password 1", "again", "another password"), "The two passwords differ"},
		{"a short one", b.post(software+"/backup", "password", "sh0rt", "again", "sh0rt"), "10 "},
		{"a wrong file", b.upload("any password", []byte("PK\x03\x04")), "not a backup of Baton"},
		{"no form", b.post(software + "/inspect"), "multipart"},
		{"too large", b.upload("any password", make([]byte, api.MaxBackup+maxForm)), "larger than 33.6 MB"},
	} {
		if wrong.page.status != http.StatusUnprocessableEntity || !strings.Contains(strings.ToLower(wrong.page.body), strings.ToLower(wrong.text)) {
			t.Errorf("%s: %d, lacks %q", wrong.name, wrong.page.status, wrong.text)
		}
		for _, password := range []string{"one password 1", "another password", "sh0rt", "any password"} {
			if strings.Contains(wrong.page.body, password) {
				t.Errorf("%s: the page shows the password", wrong.name)
			}
		}
	}
}

func TestSoftwareTellsWhetherTheTwoVersionsAreTheSame(t *testing.T) {
	b := open(t).signIn(pair.Viewer)
	alone := b.get(software)
	alone.has(t, "Baton 1.2.3", "With a second appliance")
	b.appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer = pair.Primary, &pair.PeerStatus{Name: "beta", Address: "198.51.100.2:443", Version: "1.2.2"}
	})
	b.get(software).has(t, "Baton 1.2.2", "the two versions differ", "Switch the roles")
	if strings.Contains(alone.body, "Download backup") {
		t.Error("a viewer is offered a backup")
	}
	b.get(software+"/licences").has(t, "github.com/spf13/cobra", "MIT")
	b.get(software+"/licences.txt").has(t, "Permission is hereby granted")
}

func TestTheSupportBundleIsAFile(t *testing.T) {
	p := open(t).signIn(pair.Administrator).post(software + "/support-bundle")
	if p.status != http.StatusOK || !strings.Contains(p.header.Get("Content-Disposition"), "baton-support-alpha-") || !strings.HasPrefix(p.body, "\x1f\x8b") {
		t.Errorf("%d %v %.10q", p.status, p.header, p.body)
	}
}

func TestOnABackupOnlyThePrimaryRestores(t *testing.T) {
	b := open(t).signIn(pair.Administrator)
	b.appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer = pair.Backup, &pair.PeerStatus{Name: "beta", Address: "198.51.100.2:443"}
	})
	b.get(software).has(t, "gets what is set from its primary", "https://198.51.100.2/login/management/software", "Download backup")
	if p := b.upload("any password", []byte("baton backup any password\n")); p.status != http.StatusUnprocessableEntity {
		t.Errorf("a backup looks into a file: %d", p.status)
	}
	b.get(Root+"/management/api").has(t, "gets its tokens from its primary")
}

func TestFileNamesArePlain(t *testing.T) {
	for want, words := range map[string][]string{
		"baton-Help-desk-2030-01-02.age": {"baton", "Help desk", "2030-01-02"},
		"baton-..-..--x.age":             {"baton", "../../\"x\r\n"},
		"baton.age":                      {"baton", "ö"},
	} {
		if got := fileName(".age", words...); got != want {
			t.Errorf("%q becomes %s, not %s", words, got, want)
		}
	}
}
