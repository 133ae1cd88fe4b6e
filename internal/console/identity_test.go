package console

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
	"baton/internal/pair"
)

// value returns what a field of a page holds.
func (p page) value(t *testing.T, name string) string {
	t.Helper()
	match := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(p.body)
	if match == nil {
		t.Fatalf("%s has no field %s:\n%s", p.path, name, p.body)
	}
	return match[1]
}

func TestTheFirstAdministratorIsMadeInTheBrowser(t *testing.T) {
	t.Parallel()
	b := openWith(t, admintest.New(t))
	if p := b.get(Root); p.path != Root+"/setup" {
		t.Errorf("a new appliance leads to %s", p.path)
	}
	fill := func(token, again string) page {
		return b.post(Root+"/setup", "token", token, "name", "anna", "password", password, "again", again)
	}
	p := fill("guess", password)
	p.has(t, "This is not the setup token", `value="anna"`)
	if p.status != http.StatusUnprocessableEntity || strings.Contains(p.body, password) {
		t.Errorf("a wrong token: %d", p.status)
	}
	fill("setup-token-1", "other").has(t, "The two passwords are not the same")
	b.post(Root+"/setup", "token", "setup-token-1", "name", "anna", "password", "short", "again", "short").has(t, "Use 10 characters or more")
	p = fill("setup-token-1", password)
	if p.path != Root+"/status" {
		t.Fatalf("led to %s: %s", p.path, p.body)
	}
	p.has(t, "You are the first administrator of alpha.", "anna, administrator")
	if p := b.get(Root + "/setup"); p.path != Root+"/status" {
		t.Errorf("setup is done, and yet at %s", p.path)
	}
	if p := b.another().post(Root+"/setup", "token", "setup-token-1", "name", "eve", "password", password, "again", password); p.status != http.StatusConflict {
		t.Errorf("a second first administrator: %d", p.status)
	}
	if p := b.get(Root + "/status"); strings.Contains(p.body, "first administrator") {
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

// codeOf is the one-time code of now.
func codeOf(t *testing.T, secret string) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// recoveryCodes are those that a page shows.
func recoveryCodes(t *testing.T, p page) []string {
	t.Helper()
	_, after, _ := strings.Cut(p.body, `id="recovery">`)
	list, _, _ := strings.Cut(after, "<")
	codes := strings.Fields(list)
	if len(codes) < 2 {
		t.Fatalf("no recovery codes: %s", p.body)
	}
	return codes
}

func TestOneTimeCodesFromSetUpToRecovery(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Operator)
	p := b.get(Root + "/account/codes")
	address := strings.ReplaceAll(p.value(t, "url"), "&amp;", "&")
	secret := secretOf(t, address)
	p.has(t, `src="data:image/png;base64,`, secret)
	p = b.post(Root+"/account/codes", "url", address, "code", "000000", "password", password)
	p.has(t, "This is not the code of now", secret)
	for _, typed := range []string{"", "wrong"} { // a browser left alone is not enough
		p = b.post(Root+"/account/codes", "url", address, "code", codeOf(t, secret), "password", typed)
		p.has(t, "This is not your password", secret)
		if strings.Contains(p.body, `value="wrong"`) {
			t.Error("the password is shown again")
		}
	}
	other := b.another().signIn(pair.Operator)
	p = b.post(Root+"/account/codes", "url", address, "code", codeOf(t, secret), "password", password)
	p.has(t, "Keep these recovery codes")
	recovery := recoveryCodes(t, p)
	b.get(Root+"/account").has(t, strconv.Itoa(len(recovery))+" recovery codes left", "Turn one-time codes off")
	if p := other.get(Root + "/account"); !strings.HasPrefix(p.path, Root+"?next=") {
		t.Errorf("a session from before is still at %s", p.path)
	}

	if p := other.post(Root, "name", "operator", "password", "wrong"); p.status != http.StatusUnauthorized || strings.Contains(p.body, "code") {
		t.Errorf("a wrong password: %d", p.status)
	}
	p = other.post(Root, "name", "operator", "password", password, "next", "/login/account")
	if p.path != Root+"/code?next=%2Flogin%2Faccount" {
		t.Fatalf("led to %s", p.path)
	}
	half := other.cookie()
	if p := other.get(Root + "/status"); !strings.HasPrefix(p.path, Root+"?next=") {
		t.Errorf("half signed in, and at %s", p.path)
	}
	if p := other.post(Root+"/code", "code", "000000"); p.status != http.StatusUnauthorized {
		t.Errorf("a wrong code: %d", p.status)
	}
	if p := other.post(Root+"/code", "code", recovery[0], "next", "/login/account"); p.path != Root+"/account" {
		t.Errorf("a recovery code leads to %s", p.path)
	}
	if other.cookie() == half {
		t.Error("the token of half a sign-in is that of the whole")
	}
	other.get(Root+"/account").has(t, strconv.Itoa(len(recovery)-1)+" recovery codes left")
	if p := b.another().post(Root+"/code", "code", codeOf(t, secret)); !strings.HasPrefix(p.path, Root+"?next=") {
		t.Errorf("a code without a password leads to %s", p.path)
	}

	b.post(Root+"/account/codes/off", "password", "wrong").has(t, "This is not your password")
	b.post(Root+"/account/codes/off", "password", password).has(t, "One-time codes are off", "Set up one-time codes")
}

func TestANewPasswordKeepsThisBrowserOnly(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Viewer)
	other := b.another().signIn(pair.Viewer)
	b.post(Root+"/account/password", "old", "wrong", "password", "another horse battery", "again", "another horse battery").has(t, "This is not your password")
	b.post(Root+"/account/password", "old", password, "password", "another horse battery", "again", "other").has(t, "The two new passwords are not the same")
	p := b.post(Root+"/account/password", "old", password, "password", "another horse battery", "again", "another horse battery")
	p.has(t, "Your password is changed", "this one")
	if p := other.get(Root + "/account"); !strings.HasPrefix(p.path, Root+"?next=") {
		t.Errorf("the other browser is still at %s", p.path)
	}
}

func TestOnesOwnSessionsCanBeEndedAndNoOthers(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Viewer)
	other, operators := b.another().signIn(pair.Viewer), b.another().signIn(pair.Operator)
	sessions, err := b.appliance.People().Sessions.Sessions(t.Context())
	if err != nil || len(sessions) != 3 {
		t.Fatal(sessions, err)
	}
	for _, session := range sessions { // its own ends last: then it is at the sign-in
		if session.User == "operator" {
			b.post(Root+"/account/sessions/end", "id", session.ID).has(t, "This session has ended already")
		}
	}
	if p := operators.get(Root + "/account"); p.path != Root+"/account" {
		t.Errorf("a viewer has ended an operator's session: %s", p.path)
	}
	for _, match := range regexp.MustCompile(`<tr>(?s:.*?)</tr>`).FindAllString(b.get(Root+"/account").body, -1) {
		id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(match)
		if id != nil && !strings.Contains(match, "this one") {
			b.post(Root+"/account/sessions/end", "id", id[1]).has(t, "is signed out.")
		}
	}
	if p := other.get(Root + "/account"); !strings.HasPrefix(p.path, Root+"?next=") {
		t.Errorf("the other browser is still at %s", p.path)
	}
	if p := b.post(Root + "/account/sessions/end-all"); p.path != Root {
		t.Errorf("signed out everywhere, to %s", p.path)
	}
	if p := b.get(Root + "/account"); !strings.HasPrefix(p.path, Root+"?next=") {
		t.Errorf("signed out everywhere, and at %s", p.path)
	}
}

func TestAccountsAreKept(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	p := b.post(Root+"/users/new", "name", "zoe", "display_name", "Zoë", "mail", "zoe@example.org", "role", "operator", "password", "short", "again", "short")
	p.has(t, "Use 10 characters or more", `value="Zoë"`, `value="operator" checked`)
	p = b.post(Root+"/users/new", "name", "administrator", "mail", "nowhere", "role", "viewer", "password", "short", "again", "other")
	p.has(t, "There is already a user &#34;administrator&#34;", "is not a mail address", "Use 10 characters or more", "The two passwords are not the same", `value="nowhere"`,
		`<ul class="plain"><li><a href="#field-name">User name</a>: There is`, `<a href="#field-again">Password again</a>: The two passwords`)
	links := regexp.MustCompile(`<li><a href="#field-(\w+)">`).FindAllStringSubmatch(p.body, -1)
	if len(links) != 4 || links[0][1] != "name" || links[1][1] != "mail" || links[2][1] != "password" || links[3][1] != "again" {
		t.Errorf("the summary is not in the order of the page: %q", links)
	}
	b.post(Root+"/users/new", "name", "zoe", "display_name", "Zoë", "mail", "zoe@example.org", "role", "operator", "password", password, "again", password).
		has(t, "zoe can sign in now.", "Zoë", "zoe@example.org")
	b.post(Root+"/users/new", "name", "zoe", "role", "viewer", "password", password, "again", password).has(t, "There is already a user &#34;zoe&#34;")

	// Two administrators edit at the same time: the second is told.
	first, second := b.get(Root+"/users/edit/zoe"), b.get(Root+"/users/edit/zoe")
	b.post(Root+"/users/edit/zoe", "display_name", "Zoe Z.", "mail", "zoe@example.org", "role", "viewer", "version", first.value(t, "version")).has(t, "Zoe Z.")
	p = b.post(Root+"/users/edit/zoe", "display_name", "Zed", "mail", "zed@example.org", "role", "operator", "version", second.value(t, "version"))
	p.has(t, "Somebody else has saved this while you were typing", "Saved by somebody else meanwhile: Zoe Z.", `value="Zed"`, `value="zed@example.org"`)
	if p.status != http.StatusConflict {
		t.Errorf("got %d", p.status)
	}
	b.post(Root+"/users/edit/zoe", "display_name", "Zed", "mail", "zed@example.org", "role", "operator", "version", p.value(t, "version")).has(t, "zed@example.org")

	zoe := b.another()
	if p := zoe.post(Root, "name", "zoe", "password", password); p.path != Root+"/status" {
		t.Fatalf("zoe is at %s", p.path)
	}
	b.get(Root+"/users/edit/zoe").has(t, "Where zoe is signed in", "127.0.0.1", "Sign out everywhere")
	b.post(Root+"/users/disable/zoe").has(t, "is disabled", "Enable")
	if p := zoe.get(Root + "/status"); !strings.HasPrefix(p.path, Root+"?next=") {
		t.Errorf("disabled, and at %s", p.path)
	}
	b.post(Root+"/users/enable/zoe").has(t, "may sign in again")
	b.post(Root+"/users/password/zoe", "password", "another horse battery", "again", "another horse battery").has(t, "zoe has a new password")
	b.post(Root+"/users/disable/administrator").has(t, "is the last administrator")
	b.post(Root+"/users/edit/administrator", "role", "viewer", "version", "1").has(t, "is the last administrator")
	if p := b.get(Root + "/users/edit/nobody"); p.status != http.StatusNotFound {
		t.Errorf("nobody: %d", p.status)
	}
}

func TestSecurityOptionsAndTheKeyAreSavedTogether(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	const path = Root + "/management/security"
	p := b.get(path)
	p.has(t, "<h2 id=\"options\">Options</h2>", "Inter-appliance Communication Pre-shared Key", "No key is set", ">Save</button>")
	version := p.value(t, "version")
	save := func(fields ...string) page { return b.post(path, append([]string{"version", version}, fields...)...) }

	p = save("password_length", "9", "session_timeout", "soon", "console_networks", "lan", "key", "long enough for a key")
	p.has(t, "10 to 128", "&#34;soon&#34; is no session timeout: use 1 to 1440 minutes", "not a network", `value="soon"`)
	for _, typed := range []string{"-1", "0", "1441", "NaN", "1e300", ""} {
		save("password_length", "10", "session_timeout", typed, "console_networks", "").has(t, "&#34;"+typed+"&#34; is no session timeout: use 1 to 1440 minutes")
	}
	if key, err := b.appliance.Backend().Keys.Key(t.Context()); err != nil || key.Set || strings.Contains(p.body, "long enough for a key") {
		t.Errorf("a refused form saved the key, or shows it: %+v, %v", key, err)
	}
	save("password_length", "12", "session_timeout", "30", "console_networks", "198.51.100.0/24").has(t, "Your own address, 127.0.0.1")
	save("password_length", "12", "session_timeout", "30", "console_networks", "", "key", "short").has(t, "The pre-shared key needs at least 16 characters")
	p = save("password_length", "12", "session_timeout", "45", "console_networks", "127.0.0.0/8", "key", "long enough for a key")
	p.has(t, "Saved. The fingerprint of the key is", "A key is set since", `value="12"`, `value="45"`, "127.0.0.0/8")

	p = save("password_length", "20", "session_timeout", "45", "console_networks", "127.0.0.0/8")
	p.has(t, "Somebody else has changed these options meanwhile", "passwords of 12 characters", `value="20"`)
	version = p.value(t, "version")
	save("password_length", "20", "session_timeout", "45", "console_networks", "127.0.0.0/8").has(t, "Saved.", `value="20"`)

	p = save("password_length", "21", "session_timeout", "45", "console_networks", "", "action", "generate")
	generated := p.value(t, "key")
	p.has(t, "It is not saved yet", `value="21"`)
	version = b.get(path).value(t, "version")
	save("password_length", "20", "session_timeout", "45", "console_networks", "127.0.0.0/8", "key", generated).has(t, "The key before")
	b.post(path+"/end-previous-key").has(t, "Only the present key is valid")
	b.post(path+"/end-previous-key").has(t, "there is none to end")
}

func TestABackupTakesTheKeyOnly(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	b.appliance.Change(func(s *pair.Status) { s.Role = pair.Backup })
	b.post(Root+"/management/security", "key", "long enough for a key").has(t, "Saved. The fingerprint of the key is")
}

func TestBrowsersAreCalledByAShortName(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                  "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                   "Chrome on macOS",
		"curl/8.14.1": "curl/8.14.1", "": "unknown browser", "x": "x",
	} {
		if got := browserName(agent); got != want {
			t.Errorf("%q is called %q, want %q", agent, got, want)
		}
	}
}
