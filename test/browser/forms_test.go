//go:build e2e

package browser

import (
	"fmt"
	"testing"
)

// typed is one field and what somebody types into it.
type typed struct{ label, text string }

// refusal is a form with nonsense in it.
type refusal struct {
	name   string
	path   string
	part   string // heading of the form's part of the page
	ticks  []string
	fields []typed // secrets are not shown again, all others are
	button string
	wrong  []string // labels of the fields that must say what would be right
}

// secrets are fields that are never sent back.
func secrets() map[string]bool {
	return map[string]bool{
		"Password": true, "Password again": true, "Old password": true, "New password": true, "New password again": true,
		"Password of the backup": true, "Secret": true, "Key": true, "Inter-appliance Communication Pre-shared Key": true, "Your password": true,
	}
}

// refusals are forms of a pair's primary.
func refusals() []refusal {
	return []refusal{
		{
			name: "security", path: "/login/management/security", part: "Options", button: "Save",
			fields: []typed{{"Least length of passwords", "lots"}, {"Session timeout", "-1"}, {"Allowed networks for the console", "198.51.100.0/24\neverywhere"}, {"Inter-appliance Communication Pre-shared Key", "short"}},
			wrong:  []string{"Least length of passwords", "Session timeout", "Allowed networks for the console"},
		},
		{
			name: "key", path: "/login/management/security", part: "Options", button: "Save",
			fields: []typed{{"Inter-appliance Communication Pre-shared Key", "short"}},
			wrong:  []string{"Inter-appliance Communication Pre-shared Key"},
		},
		{
			name: "failover", path: "/login/management/failover", part: "Configuration", button: "Save Changes",
			fields: []typed{{"Primary Site Instance Timeout", "soon"}, {"Data-Sync Bandwidth Limit", "fast"}, {"Highest data age for automatic failover", "old"}, {"Network Connectivity Test IPs", "198.51.100.254\ngateway"}},
			wrong:  []string{"Primary Site Instance Timeout", "Data-Sync Bandwidth Limit", "Highest data age for automatic failover", "Network Connectivity Test IPs"},
		},
		{
			name: "test-ips", path: "/login/management/failover", part: "Configuration", button: "Test",
			fields: []typed{{"Network Connectivity Test IPs", "127.0.0.1"}, {"Primary Site Instance Timeout", "7"}},
			wrong:  []string{"Network Connectivity Test IPs"},
		},
		{
			name: "user", path: "/login/users/new", button: "Add the user",
			fields: []typed{{"User name", "no spaces, please"}, {"Display name", "Somebody"}, {"Mail", "nowhere"}, {"Password", "short"}, {"Password again", "other"}},
			wrong:  []string{"User name", "Mail", "Password", "Password again"},
		},
		{
			name: "user-password", path: "/login/users/new", button: "Add the user",
			fields: []typed{{"User name", "otto"}, {"Display name", "Somebody"}, {"Password", "short"}, {"Password again", "short"}},
			wrong:  []string{"Password"},
		},
		{
			name: "site", path: "/login/site", part: "Name and public page", button: "Save",
			fields: []typed{{"Site name", "Our site"}, {"Host name", "not a host"}, {"Title", "Welcome"}},
			wrong:  []string{"Host name"},
		},
		{
			name: "zone", path: "/login/site", part: "Time zone", button: "Save",
			fields: []typed{{"Time zone", "Middle/Earth"}},
			wrong:  []string{"Time zone"},
		},
		{
			name: "certificate", path: "/login/site", part: "Save a certificate", button: "Save the certificate",
			fields: []typed{{"Certificate and its chain", "no certificate"}, {"Key", "no key"}},
			wrong:  []string{"Certificate and its chain"},
		},
		{
			name: "protection", path: "/login/protection", part: "Protect a directory", button: "Protect",
			fields: []typed{{"Name", "More data"}, {"Path", "not/absolute"}},
			wrong:  []string{"Name", "Path"},
		},
		{
			name: "protection-absent", path: "/login/protection", part: "Protect a directory", button: "Protect",
			fields: []typed{{"Name", "More data"}, {"Path", "/nowhere/at/all"}},
			wrong:  []string{"Name", "Path"},
		},
		{
			name: "password", path: "/login/account", part: "Change password", button: "Change password",
			fields: []typed{{"Old password", password}, {"New password", "a quiet harbour 1948"}, {"New password again", "a quiet harbour 1949"}},
			wrong:  []string{"New password again"},
		},
		{
			name: "mail", path: "/login/management/notifications", part: "Mail", button: "Save", ticks: []string{"Send mail"},
			fields: []typed{{"Mail server", "not a server"}, {"Port", "99999"}, {"Sender", "nobody"}, {"Recipients", "someone@example.org\nnobody"}},
			wrong:  []string{"Mail server", "Port", "Sender", "Recipients"},
		},
		{
			name: "webhook", path: "/login/management/notifications/webhooks/new", part: "Where to, and what", button: "Save",
			fields: []typed{{"Name", "Chat"}, {"Address", "gopher://example.org"}, {"Secret", "short"}},
			wrong:  []string{"Address", "Secret"},
		},
		{
			name: "token", path: "/login/management/api", part: "New token", button: "Create token",
			fields: []typed{{"Name", "Two Words!"}},
			wrong:  []string{"Name"},
		},
		{
			name: "backup", path: "/login/management/software", part: "Configuration backup", button: "Download backup",
			fields: []typed{{"Password of the backup", "short"}, {"Password again", "different"}},
			wrong:  []string{"Password again"},
		},
	}
}

func TestFormsRefuseNonsenseAndKeepIt(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.signIn(administrator)
	for _, form := range refusals() {
		t.Run(form.name, func(t *testing.T) {
			p := *p
			p.t = t
			p.refuses(form)
		})
	}
}

// refuses fills a form with nonsense and looks at what comes back.
func (p *tab) refuses(form refusal) {
	p.t.Helper()
	p.open(form.path)
	part := p.in(form.part)
	for _, box := range form.ticks {
		part.tick(box)
	}
	for _, field := range form.fields {
		part.fill(field.label, field.text)
	}
	ask[bool](p, "[...document.forms].forEach(f => f.noValidate = true) || true") // the server must refuse, too
	part.submit(form.button)
	p.sees("Nothing was saved")
	for _, label := range form.wrong {
		p.saysWhatIsWrong(label)
	}
	for _, field := range form.fields {
		want := field.text
		if secrets()[field.label] {
			want = ""
		}
		if got := part.value(field.label); got != want {
			p.t.Errorf("%s: %q came back as %q", field.label, field.text, got)
		}
	}
	p.state("refused-" + form.name)
}

// saysWhatIsWrong checks that a field is marked, that its error is beside it and
// in the summary, and tells what it is.
func (p *tab) saysWhatIsWrong(label string) {
	p.t.Helper()
	type marks struct {
		Invalid string   `json:"invalid"`
		Beside  string   `json:"beside"`
		Summary []string `json:"summary"`
	}
	found := ask[marks](p, fmt.Sprintf(`(() => {
		const e = find('field', %s, '').find(e => e.getAttribute('aria-invalid')) || find('field', %s, '')[0];
		const notes = (e.getAttribute('aria-describedby') || '').split(' ').map(id => document.getElementById(id)).filter(n => n && n.className.includes('error'));
		return {invalid: e.getAttribute('aria-invalid') || '', beside: notes.map(visibleText).join(' '),
			summary: [...document.querySelectorAll('[role=alert] a')].filter(a => a.getAttribute('href') === '#' + e.id).map(visibleText)};
	})()`, quoted(label), quoted(label)))
	if found.Invalid != "true" || found.Beside == "" || len(found.Summary) == 0 {
		p.t.Errorf("%s: aria-invalid %q, beside it %q, in the summary %q; the page says: %s", label, found.Invalid, found.Beside, found.Summary, p.in("").text())
		return
	}
	p.t.Logf("%s: %s", label, found.Beside)
}

func TestWhatPeopleTypeIsNoMarkup(t *testing.T) {
	full(t)
	const evil = `<script>window.pwned=1</script><img src=x onerror="window.pwned=1">"'&`
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.signIn(administrator)
	p.open("/login/users/edit/" + administrator)
	p.in("Account").fill("Display name", evil)
	p.in("Account").submit("Save")
	p.open("/login/users/edit/" + administrator)
	if kept := p.in("Account").value("Display name"); kept != evil {
		t.Errorf("the name came back as %q", kept)
	}
	for _, path := range pages() {
		p.open(path)
		if ask[bool](p, "window.pwned === 1") {
			t.Errorf("%s runs what somebody typed as a name", path)
		}
	}
}

func TestTwoAdministratorsSaveAtOnce(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	ann, bob := w.visit(w.alpha.Addr4()), w.visit(w.alpha.Addr4())
	for _, p := range []*tab{ann, bob} {
		p.signIn(administrator)
	}
	for _, form := range []struct{ name, path, part, label, first, second, button string }{
		{"failover", "/login/management/failover", "Configuration", "Primary Site Instance Timeout", "11", "22", "Save Changes"},
		{"site", "/login/site", "Name and public page", "Site name", "First", "Second", "Save"},
		{"security", "/login/management/security", "Options", "Session timeout", "33", "44", "Save"},
		{"mail", "/login/management/notifications", "Mail", "Mail server", "mail.example.org", "smtp.example.org", "Save"},
		{"user", "/login/users/edit/" + administrator, "Account", "Display name", "Ann", "Bob", "Save"},
	} {
		t.Run(form.name, func(t *testing.T) {
			ann, bob := *ann, *bob
			ann.t, bob.t = t, t
			for _, p := range []*tab{&ann, &bob} {
				p.open(form.path)
			}
			ann.in(form.part).fill(form.label, form.first)
			bob.in(form.part).fill(form.label, form.second)
			ann.in(form.part).submit(form.button)
			bob.in(form.part).submit(form.button)
			bob.sees("Somebody else")
			if kept := bob.in(form.part).value(form.label); kept != form.second {
				t.Errorf("the second one's %q is lost: the field holds %q", form.second, kept)
			}
			bob.state("overtaken-" + form.name)
			ann.open(form.path)
			if saved := ann.in(form.part).value(form.label); saved != form.first {
				t.Errorf("saved is %q, wanted the first one's %q", saved, form.first)
			}
		})
	}
}
