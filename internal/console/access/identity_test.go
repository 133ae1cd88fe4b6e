package access_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"baton/internal/admin/admintest"
	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/pair"
)

const password = consoletest.Password

func TestTheFirstAdministratorIsMadeInTheBrowser(t *testing.T) {
	t.Parallel()
	b := consoletest.OpenWith(t, admintest.New(t))
	if p := b.Get(page.Root); p.Path != page.Root+"/setup" {
		t.Errorf("a new appliance leads to %s", p.Path)
	}
	fill := func(token, again string) consoletest.Page {
		return b.Post(page.Root+"/setup", "token", token, "name", "anna", "password", password, "again", again)
	}
	p := fill("guess", password)
	p.Has(t, "This is not the setup token", `value="anna"`)
	if p.Status != http.StatusUnprocessableEntity || strings.Contains(p.Body, password) {
		t.Errorf("a wrong token: %d", p.Status)
	}
	fill("setup-token-1", "other").Has(t, "The two passwords are not the same")
	b.Post(page.Root+"/setup", "token", "setup-token-1", "name", "anna", "password", "short", "again", "short").Has(t, "Use 10 characters or more")
	p = fill("setup-token-1", password)
	if p.Path != page.Root+"/status" {
		t.Fatalf("led to %s: %s", p.Path, p.Body)
	}
	p.Has(t, "You are the first administrator of alpha.", "anna, administrator")
	if p := b.Get(page.Root + "/setup"); p.Path != page.Root+"/status" {
		t.Errorf("setup is done, and yet at %s", p.Path)
	}
	if p := b.Another().Post(page.Root+"/setup", "token", "setup-token-1", "name", "eve", "password", password, "again", password); p.Status != http.StatusConflict {
		t.Errorf("a second first administrator: %d", p.Status)
	}
	if p := b.Get(page.Root + "/status"); strings.Contains(p.Body, "first administrator") {
		t.Error("what was done is said twice")
	}
}

// secretOf is the secret of one-time codes in the address that a device reads.
func secretOf(t *testing.T, address string) string {
	t.Helper()
	key, err := url.Parse(address)
	if err != nil || key.Query().Get("secret") == "" {
		t.Fatalf("%s: %v", address, err)
	}
	return key.Query().Get("secret")
}

// codeOf is the present one-time code.
func codeOf(t *testing.T, secret string) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// recoveryCodes are the recovery codes that a page shows.
func recoveryCodes(t *testing.T, p consoletest.Page) []string {
	t.Helper()
	_, after, _ := strings.Cut(p.Body, `id="recovery">`)
	list, _, _ := strings.Cut(after, "<")
	codes := strings.Fields(list)
	if len(codes) < 2 {
		t.Fatalf("no recovery codes: %s", p.Body)
	}
	return codes
}

func TestOneTimeCodesFromSetUpToRecovery(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Operator)
	p := b.Get(page.Root + "/account/codes")
	address := strings.ReplaceAll(p.Value(t, "url"), "&amp;", "&")
	secret := secretOf(t, address)
	p.Has(t, `src="data:image/png;base64,`, secret)
	p = b.Post(page.Root+"/account/codes", "url", address, "code", "000000", "password", password)
	p.Has(t, "This is not the code of now", secret)
	for _, typed := range []string{"", "wrong"} { // a browser left alone is not enough
		p = b.Post(page.Root+"/account/codes", "url", address, "code", codeOf(t, secret), "password", typed)
		p.Has(t, "This is not your password", secret)
		if strings.Contains(p.Body, `value="wrong"`) {
			t.Error("the password is shown again")
		}
	}
	other := b.Another().SignIn(pair.Operator)
	p = b.Post(page.Root+"/account/codes", "url", address, "code", codeOf(t, secret), "password", password)
	p.Has(t, "Keep these recovery codes")
	recovery := recoveryCodes(t, p)
	b.Get(page.Root+"/account").Has(t, strconv.Itoa(len(recovery))+" recovery codes left", "Turn one-time codes off")
	if p := other.Get(page.Root + "/account"); !strings.HasPrefix(p.Path, page.Root+"?next=") {
		t.Errorf("a session from before is still at %s", p.Path)
	}

	if p := other.Post(page.Root, "name", "operator", "password", "wrong"); p.Status != http.StatusUnauthorized || strings.Contains(p.Body, "code") {
		t.Errorf("a wrong password: %d", p.Status)
	}
	p = other.Post(page.Root, "name", "operator", "password", password, "next", "/login/account")
	if p.Path != page.Root+"/code?next=%2Flogin%2Faccount" {
		t.Fatalf("led to %s", p.Path)
	}
	half := other.Cookie()
	if p := other.Get(page.Root + "/status"); !strings.HasPrefix(p.Path, page.Root+"?next=") {
		t.Errorf("half signed in, and at %s", p.Path)
	}
	if p := other.Post(page.Root+"/code", "code", "000000"); p.Status != http.StatusUnauthorized {
		t.Errorf("a wrong code: %d", p.Status)
	}
	if p := other.Post(page.Root+"/code", "code", recovery[0], "next", "/login/account"); p.Path != page.Root+"/account" {
		t.Errorf("a recovery code leads to %s", p.Path)
	}
	if other.Cookie() == half {
		t.Error("the token of half a sign-in is that of the whole")
	}
	other.Get(page.Root+"/account").Has(t, strconv.Itoa(len(recovery)-1)+" recovery codes left")
	if p := b.Another().Post(page.Root+"/code", "code", codeOf(t, secret)); !strings.HasPrefix(p.Path, page.Root+"?next=") {
		t.Errorf("a code without a password leads to %s", p.Path)
	}

	b.Post(page.Root+"/account/codes/off", "password", "wrong").Has(t, "This is not your password")
	b.Post(page.Root+"/account/codes/off", "password", password).Has(t, "One-time codes are off", "Set up one-time codes")
}

func TestANewPasswordKeepsThisBrowserOnly(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Viewer)
	other := b.Another().SignIn(pair.Viewer)
	b.Post(page.Root+"/account/password", "old", "wrong", "password", "another horse battery", "again", "another horse battery").Has(t, "This is not your password")
	b.Post(page.Root+"/account/password", "old", password, "password", "another horse battery", "again", "other").Has(t, "The two new passwords are not the same")
	p := b.Post(page.Root+"/account/password", "old", password, "password", "another horse battery", "again", "another horse battery")
	p.Has(t, "Your password is changed", "this one")
	if p := other.Get(page.Root + "/account"); !strings.HasPrefix(p.Path, page.Root+"?next=") {
		t.Errorf("the other browser is still at %s", p.Path)
	}
}

func TestOnesOwnSessionsCanBeEndedAndNoOthers(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Viewer)
	other, operators := b.Another().SignIn(pair.Viewer), b.Another().SignIn(pair.Operator)
	sessions, err := b.Appliance.People().Sessions.Sessions(t.Context())
	if err != nil || len(sessions) != 3 {
		t.Fatal(sessions, err)
	}
	for _, session := range sessions { // its own ends last: then it is at the sign-in
		if session.User == "operator" {
			b.Post(page.Root+"/account/sessions/end", "id", session.ID).Has(t, "This session has ended already")
		}
	}
	if p := operators.Get(page.Root + "/account"); p.Path != page.Root+"/account" {
		t.Errorf("a viewer has ended an operator's session: %s", p.Path)
	}
	for _, match := range regexp.MustCompile(`<tr>(?s:.*?)</tr>`).FindAllString(b.Get(page.Root+"/account").Body, -1) {
		id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(match)
		if id != nil && !strings.Contains(match, "this one") {
			b.Post(page.Root+"/account/sessions/end", "id", id[1]).Has(t, "is signed out.")
		}
	}
	if p := other.Get(page.Root + "/account"); !strings.HasPrefix(p.Path, page.Root+"?next=") {
		t.Errorf("the other browser is still at %s", p.Path)
	}
	if p := b.Post(page.Root + "/account/sessions/end-all"); p.Path != page.Root {
		t.Errorf("signed out everywhere, to %s", p.Path)
	}
	if p := b.Get(page.Root + "/account"); !strings.HasPrefix(p.Path, page.Root+"?next=") {
		t.Errorf("signed out everywhere, and at %s", p.Path)
	}
}

func TestAccountsAreKept(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	p := b.Post(page.Root+"/users/new", "name", "zoe", "display_name", "Zoë", "mail", "zoe@example.org", "role", "operator", "password", "short", "again", "short")
	p.Has(t, "Use 10 characters or more", `value="Zoë"`, `value="operator" checked`)
	p = b.Post(page.Root+"/users/new", "name", "administrator", "mail", "nowhere", "role", "viewer", "password", "short", "again", "other")
	p.Has(t, "There is already a user &#34;administrator&#34;", "is not a mail address", "Use 10 characters or more", "The two passwords are not the same", `value="nowhere"`,
		`<ul class="plain"><li><a href="#field-name">User name</a>: There is`, `<a href="#field-again">Password again</a>: The two passwords`)
	links := regexp.MustCompile(`<li><a href="#field-(\w+)">`).FindAllStringSubmatch(p.Body, -1)
	if len(links) != 4 || links[0][1] != "name" || links[1][1] != "mail" || links[2][1] != "password" || links[3][1] != "again" {
		t.Errorf("the summary is not in the order of the page: %q", links)
	}
	b.Post(page.Root+"/users/new", "name", "zoe", "display_name", "Zoë", "mail", "zoe@example.org", "role", "operator", "password", password, "again", password).Has(t, "zoe can sign in now.", "Zoë", "zoe@example.org")
	b.Post(page.Root+"/users/new", "name", "zoe", "role", "viewer", "password", password, "again", password).Has(t, "There is already a user &#34;zoe&#34;")

	// Two administrators edit at the same time: the second reads of it.
	first, second := b.Get(page.Root+"/users/edit/zoe"), b.Get(page.Root+"/users/edit/zoe")
	b.Post(page.Root+"/users/edit/zoe", "display_name", "Zoe Z.", "mail", "zoe@example.org", "role", "viewer", "version", first.Value(t, "version")).Has(t, "Zoe Z.")
	p = b.Post(page.Root+"/users/edit/zoe", "display_name", "Zed", "mail", "zed@example.org", "role", "operator", "version", second.Value(t, "version"))
	p.Has(t, "Somebody else has saved this while you were typing", "Saved by somebody else meanwhile: Zoe Z.", `value="Zed"`, `value="zed@example.org"`)
	if p.Status != http.StatusConflict {
		t.Errorf("got %d", p.Status)
	}
	b.Post(page.Root+"/users/edit/zoe", "display_name", "Zed", "mail", "zed@example.org", "role", "operator", "version", p.Value(t, "version")).Has(t, "zed@example.org")

	zoe := b.Another()
	if p := zoe.Post(page.Root, "name", "zoe", "password", password); p.Path != page.Root+"/status" {
		t.Fatalf("zoe is at %s", p.Path)
	}
	b.Get(page.Root+"/users/edit/zoe").Has(t, "Where zoe is signed in", "127.0.0.1", "Sign out everywhere")
	b.Post(page.Root+"/users/disable/zoe").Has(t, "is disabled", "Enable")
	if p := zoe.Get(page.Root + "/status"); !strings.HasPrefix(p.Path, page.Root+"?next=") {
		t.Errorf("disabled, and at %s", p.Path)
	}
	b.Post(page.Root+"/users/enable/zoe").Has(t, "may sign in again")
	b.Post(page.Root+"/users/password/zoe", "password", "another horse battery", "again", "another horse battery").Has(t, "zoe has a new password")
	b.Post(page.Root+"/users/disable/administrator").Has(t, "is the last administrator")
	b.Post(page.Root+"/users/edit/administrator", "role", "viewer", "version", "1").Has(t, "is the last administrator")
	if p := b.Get(page.Root + "/users/edit/nobody"); p.Status != http.StatusNotFound {
		t.Errorf("nobody: %d", p.Status)
	}
}

func TestSecurityOptionsAndTheKeyAreSavedTogether(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	const path = page.Root + "/management/security"
	p := b.Get(path)
	p.Has(t, "<h2 id=\"options\">Options</h2>", "Inter-appliance Communication Pre-shared Key", "No key is set", ">Save</button>")
	version := p.Value(t, "version")
	save := func(fields ...string) consoletest.Page {
		return b.Post(path, append([]string{"version", version}, fields...)...)
	}

	p = save("password_length", "9", "session_timeout", "soon", "console_networks", "lan", "key", "long enough for a key")
	p.Has(t, "10 to 128", "&#34;soon&#34; is no session timeout: use 1 to 1440 minutes", "not a network", `value="soon"`)
	for _, typed := range []string{"-1", "0", "1441", "NaN", "1e300", ""} {
		save("password_length", "10", "session_timeout", typed, "console_networks", "").Has(t, "&#34;"+typed+"&#34; is no session timeout: use 1 to 1440 minutes")
	}
	if key, err := b.Appliance.Backend().Keys.Key(t.Context()); err != nil || key.Set || strings.Contains(p.Body, "long enough for a key") {
		t.Errorf("a refused form saved the key, or shows it: %+v, %v", key, err)
	}
	save("password_length", "12", "session_timeout", "30", "console_networks", "198.51.100.0/24").Has(t, "Your own address, 127.0.0.1")
	save("password_length", "12", "session_timeout", "30", "console_networks", "", "key", "short").Has(t, "The pre-shared key needs at least 16 characters")
	p = save("password_length", "12", "session_timeout", "45", "console_networks", "127.0.0.0/8", "key", "long enough for a key")
	p.Has(t, "Saved. The fingerprint of the key is", "A key is set since", `value="12"`, `value="45"`, "127.0.0.0/8")

	p = save("password_length", "20", "session_timeout", "45", "console_networks", "127.0.0.0/8")
	p.Has(t, "Somebody else has changed these options meanwhile", "passwords of 12 characters", `value="20"`)
	version = p.Value(t, "version")
	save("password_length", "20", "session_timeout", "45", "console_networks", "127.0.0.0/8").Has(t, "Saved.", `value="20"`)

	p = save("password_length", "21", "session_timeout", "45", "console_networks", "", "action", "generate")
	generated := p.Value(t, "key")
	p.Has(t, "It is not saved yet", `value="21"`)
	version = b.Get(path).Value(t, "version")
	save("password_length", "20", "session_timeout", "45", "console_networks", "127.0.0.0/8", "key", generated).Has(t, "The key before")
	b.Post(path+"/end-previous-key").Has(t, "Only the present key is valid")
	b.Post(path+"/end-previous-key").Has(t, "there is none to end")
}

func TestABackupTakesTheKeyOnly(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	b.Appliance.Change(func(s *pair.Status) { s.Role = pair.Backup })
	b.Post(page.Root+"/management/security", "key", "long enough for a key").Has(t, "Saved. The fingerprint of the key is")
}
