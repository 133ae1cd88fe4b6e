package notify

import (
	"slices"
	"strings"
	"testing"

	"baton/internal/pair"
)

// complete are settings of which every part is used.
func complete() pair.Notifications {
	n := pair.DefaultNotifications()
	n.Mail = mailTo(587, pair.EncryptStartTLS)
	n.Mail.Host, n.Mail.User, n.Mail.Password = "mail.example.org", "baton", "pass word"
	n.Webhooks = hook("https://hooks.example.org:8443/baton?x=1").Webhooks
	return n
}

// fieldsOf lists the refused fields.
func fieldsOf(err error) (names []string) {
	if refusal := pair.RefusalOf(err); refusal != nil {
		for _, field := range refusal.Fields {
			names = append(names, field.Name)
		}
	}
	return names
}

func TestNonsenseIsRefusedFieldByField(t *testing.T) {
	if _, err := Prepare(pair.DefaultNotifications(), pair.Notifications{}); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	if _, err := Prepare(complete(), complete()); err != nil {
		t.Errorf("what is complete: %v", err)
	}
	for want, edits := range map[string][]func(*pair.Notifications){
		"mail.host": {
			func(n *pair.Notifications) { n.Mail.Host = "mail example" }, func(n *pair.Notifications) { n.Mail.Host = "a\r\nb" },
			func(n *pair.Notifications) { n.Mail.Host = "http://mail" }, func(n *pair.Notifications) { n.Mail.Host = "" },
			func(n *pair.Notifications) { n.Mail.Host = strings.Repeat("a.", 127) + "org" },
		},
		"mail.port":       {func(n *pair.Notifications) { n.Mail.Port = 0 }, func(n *pair.Notifications) { n.Mail.Port = 65536 }},
		"mail.encryption": {func(n *pair.Notifications) { n.Mail.Encryption = "ssl" }, func(n *pair.Notifications) { n.Mail.Encryption = pair.EncryptNone }},
		"mail.user":       {func(n *pair.Notifications) { n.Mail.User = "a\nb" }},
		"mail.password":   {func(n *pair.Notifications) { n.Mail.Password = "a\x00b" }},
		"mail.from": {
			func(n *pair.Notifications) { n.Mail.From = "" }, func(n *pair.Notifications) { n.Mail.From = "baton" },
			func(n *pair.Notifications) { n.Mail.From = "x <a@b>\r\nBcc: eve@example.org" }, func(n *pair.Notifications) { n.Mail.From = "a@b, c@d" },
			func(n *pair.Notifications) { n.Mail.From = `"a b"@example.org` }, func(n *pair.Notifications) { n.Mail.From = "a@b\x7f" },
		},
		"mail.to": {
			func(n *pair.Notifications) { n.Mail.To = nil }, func(n *pair.Notifications) { n.Mail.To = []string{"ann@"} },
			func(n *pair.Notifications) { n.Mail.To = []string{"ann@x", "ann@x"} },
			func(n *pair.Notifications) { n.Mail.To = slices.Repeat([]string{"a@b"}, mostRecipients+1) },
		},
		"mail.tell.conditions": {func(n *pair.Notifications) { n.Mail.Tell.Conditions = "loud" }},
		"mail.tell.kinds": {
			func(n *pair.Notifications) { n.Mail.Tell.Kinds = []string{"party"} },
			func(n *pair.Notifications) { n.Mail.Tell.Kinds = []string{"takeover", "takeover"} },
		},
		"webhooks": {func(n *pair.Notifications) { n.Webhooks = slices.Repeat(n.Webhooks, mostWebhooks+1) }},
		"webhooks.0.name": {
			func(n *pair.Notifications) { n.Webhooks[0].Name = "" }, func(n *pair.Notifications) { n.Webhooks[0].Name = "a\nb" },
			func(n *pair.Notifications) { n.Webhooks[0].Name = strings.Repeat("x", mostName+1) },
		},
		"webhooks.0.id":   {func(n *pair.Notifications) { n.Webhooks[0].ID = "another" }},
		"webhooks.1.name": {func(n *pair.Notifications) { n.Webhooks = append(n.Webhooks, n.Webhooks[0]); n.Webhooks[1].ID = "" }},
		"webhooks.1.id":   {func(n *pair.Notifications) { n.Webhooks = append(n.Webhooks, n.Webhooks[0]); n.Webhooks[1].Name = "b" }},
		"webhooks.0.secret": {
			func(n *pair.Notifications) { n.Webhooks[0].Secret = "short" }, func(n *pair.Notifications) { n.Webhooks[0].Secret = strings.Repeat("x", mostSecret+1) },
			func(n *pair.Notifications) { n.Webhooks[0].ID, n.Webhooks[0].Secret = "", "" },
		},
		"webhooks.0.url": edited("", "x", "ftp://x/", "https://", "https://user:word@x/", "https://x/#part", "https://x:0/", "https://x:99999/", "file:///etc/passwd",
			"https://exa mple/", "https://x/\r\nHost: y", "https://x/"+strings.Repeat("a", mostURL), "gopher://x", "https:x", "//x/", "http://169.254.169.254/"),
	} {
		for i, edit := range edits {
			wanted := complete()
			edit(&wanted)
			if _, err := Prepare(wanted, complete()); !slices.Contains(fieldsOf(err), want) {
				t.Errorf("%s, edit %d: refused %v", want, i, fieldsOf(err))
			}
		}
	}
}

func edited(urls ...string) (edits []func(*pair.Notifications)) {
	for _, url := range urls {
		edits = append(edits, func(n *pair.Notifications) { n.Webhooks[0].URL = url })
	}
	return edits
}

func TestSecretsThatAreNotTypedStayForWhomTheyWere(t *testing.T) {
	saved := complete()
	wanted := complete()
	wanted.Mail.Password, wanted.Webhooks[0].Secret = "", ""
	wanted.Mail.To = []string{"new@example.org"}
	ready, err := Prepare(wanted, saved)
	if err != nil || ready.Mail.Password != saved.Mail.Password || ready.Webhooks[0].Secret != secret {
		t.Errorf("password %q, secret %q, %v", ready.Mail.Password, ready.Webhooks[0].Secret, err)
	}
	if wanted.Webhooks[0].Secret != "" {
		t.Error("the question was changed")
	}
	for _, edit := range []func(*pair.Mail){
		func(m *pair.Mail) { m.Host = "eve.example.org" }, func(m *pair.Mail) { m.Port = 25 },
		func(m *pair.Mail) { m.User = "eve" }, func(m *pair.Mail) { m.Encryption = pair.EncryptTLS },
	} {
		moved := wanted
		edit(&moved.Mail)
		if ready, err := Prepare(moved, saved); !slices.Contains(fieldsOf(err), "mail.password") || ready.Mail.Password != "" {
			t.Errorf("the password went with %+v: %v", moved.Mail, err)
		}
	}
	wanted.Mail.User = ""
	if ready, err := Prepare(wanted, saved); err != nil || ready.Mail.Password != "" {
		t.Errorf("without a user there is the password %q (%v)", ready.Mail.Password, err)
	}
}

func TestANewWebhookGetsAnIDOfItsOwn(t *testing.T) {
	wanted := complete()
	other := wanted.Webhooks[0]
	other.ID, other.Name = "", "second"
	wanted.Webhooks = append(wanted.Webhooks, other)
	ready, err := Prepare(wanted, complete())
	if err != nil || len(ready.Webhooks[1].ID) != 8 || ready.Webhooks[0].ID != "h" {
		t.Errorf("%+v, %v", ready.Webhooks, err)
	}
}

// FuzzPrepare: what passes the check can be sent without an error of the libraries.
func FuzzPrepare(f *testing.F) {
	f.Add("mail.example.org", "Baton <baton@example.org>", "ann@example.org", "https://hooks.example.org/x")
	f.Add("::1", "a@b", "a@[1.2.3.4]", "http://[::1]:8080/%0d%0a")
	f.Fuzz(func(t *testing.T, host, from, to, url string) {
		n := complete()
		n.Mail.Host, n.Mail.From, n.Mail.To, n.Mail.User = host, from, []string{to}, ""
		n.Webhooks[0].URL = url
		ready, err := Prepare(n, complete())
		if err != nil {
			return
		}
		sender := NewSender("1", nil)
		message, err := sender.compose(ready.Mail, aNotice())
		if err != nil {
			t.Fatalf("%q from %q to %q: %v", host, from, to, err)
		}
		var text strings.Builder
		if _, err := message.WriteTo(&text); err != nil {
			t.Fatal(err)
		}
		header, _, _ := strings.Cut(text.String(), "\r\n\r\n")
		for line := range strings.SplitSeq(header, "\r\n") {
			if !strings.HasPrefix(line, " ") && !strings.Contains(line, ":") || strings.ContainsAny(line, "\r\n\x00") {
				t.Fatalf("header line %q", line)
			}
		}
	})
}
