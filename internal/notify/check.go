package notify

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"baton/internal/pair"
)

// Bounds of the settings.
const (
	mostRecipients = 20
	mostWebhooks   = 10
	leastSecret    = 16
	mostSecret     = 256
	mostURL        = 2048
	mostName       = 64
	mostAddress    = 320
)

// Prepare checks what somebody wants to save over what is saved: it fills in the
// password and secrets that were left as they were, and names new webhooks. Refused
// values come back in one pair.Refusal, all of them at once.
func Prepare(wanted, saved pair.Notifications) (pair.Notifications, error) {
	ready := wanted
	refused := []error{keepPassword(&ready.Mail, saved.Mail)}
	ready.Webhooks = slices.Clone(wanted.Webhooks)
	for i := range ready.Webhooks {
		refused = append(refused, keepSecret(i, &ready.Webhooks[i], saved.Webhooks))
	}
	return ready, errors.Join(append(refused, check(ready))...)
}

// keepPassword takes over the saved password for the server and user that it was
// saved for: it must not be sent to another one by somebody who does not know it.
func keepPassword(m *pair.Mail, saved pair.Mail) error {
	if m.User == "" {
		m.Password = ""
		return nil
	}
	if m.Password != "" || saved.Password == "" {
		return nil
	}
	if m.Host != saved.Host || m.Port != saved.Port || m.Encryption != saved.Encryption || m.User != saved.User {
		return pair.RefuseField("mail.password", "type the password again: the one that is kept is for %s at %s", saved.User, server(saved))
	}
	m.Password = saved.Password
	return nil
}

func keepSecret(i int, w *pair.Webhook, saved []pair.Webhook) error {
	if w.ID == "" {
		id := make([]byte, 4)
		_, _ = rand.Read(id) // it never fails
		w.ID = hex.EncodeToString(id)
		return nil
	}
	at := slices.IndexFunc(saved, func(s pair.Webhook) bool { return s.ID == w.ID })
	if at < 0 {
		return pair.RefuseField(field(i, "id"), "there is no webhook %.40q now: leave the id empty to add one", w.ID)
	}
	if w.Secret == "" {
		w.Secret = saved[at].Secret
	}
	return nil
}

func check(n pair.Notifications) error {
	refused := append(checkMail(n.Mail), checkTell("mail", n.Mail.Tell)...)
	if len(n.Webhooks) > mostWebhooks {
		refused = append(refused, pair.RefuseField("webhooks", "use at most %d", mostWebhooks))
	}
	for i, w := range n.Webhooks {
		refused = append(refused, checkWebhook(i, w)...)
		refused = append(refused, checkTell("webhooks."+strconv.Itoa(i), w.Tell)...)
		same := func(other pair.Webhook) bool { return other.Name == w.Name }
		if slices.ContainsFunc(n.Webhooks[:i], same) {
			refused = append(refused, pair.RefuseField(field(i, "name"), "another webhook is called %s: choose another name", w.Name))
		}
		if slices.ContainsFunc(n.Webhooks[:i], func(other pair.Webhook) bool { return other.ID == w.ID }) {
			refused = append(refused, pair.RefuseField(field(i, "id"), "this webhook is listed twice"))
		}
	}
	return errors.Join(refused...)
}

func field(i int, name string) string { return "webhooks." + strconv.Itoa(i) + "." + name }

func checkMail(m pair.Mail) (refused []error) {
	demand := func(ok bool, field, format string, args ...any) {
		if !ok {
			refused = append(refused, pair.RefuseField("mail."+field, format, args...))
		}
	}
	demand(m.Host == "" || validHost(m.Host), "host", "%.80q is not a name or IP address: write it like mail.example.org", m.Host)
	demand(m.Port >= 1 && m.Port <= 65535, "port", "use 1 to 65535: 587 for STARTTLS, 465 for TLS, 25 without")
	known := []pair.Encryption{pair.EncryptStartTLS, pair.EncryptTLS, pair.EncryptNone}
	demand(slices.Contains(known, m.Encryption), "encryption", "use starttls, tls or none")
	demand(plain(m.User) && len(m.User) <= mostAddress, "user", "use at most %d characters and no control characters", mostAddress)
	demand(m.User == "" || m.Encryption != pair.EncryptNone, "encryption", "a password is not sent in the clear: choose STARTTLS or TLS, or leave the user empty")
	demand(m.User == "" || m.Password != "" || !m.Enabled, "password", "type the password of %.80s", m.User)
	demand(plain(m.Password) && len(m.Password) <= 1024, "password", "use at most 1024 characters and no control characters")
	demand(m.From == "" || validAddress(m.From), "from", "%.80q is not a mail address: write it like baton@example.org", m.From)
	demand(len(m.To) <= mostRecipients, "to", "use at most %d recipients: a list's address reaches more", mostRecipients)
	for i, to := range m.To {
		demand(validAddress(to), "to", "%.80q is not a mail address: write it like ann@example.org", to)
		demand(!slices.Contains(m.To[:i], to), "to", "%.80s is listed twice: name each recipient once", to)
	}
	if m.Enabled {
		demand(m.Host != "", "host", "name the mail server")
		demand(m.From != "", "from", "name the sender's address")
		demand(len(m.To) > 0, "to", "name at least one recipient")
	}
	return refused
}

func checkTell(of string, t pair.Tell) (refused []error) {
	severities := []pair.Severity{pair.TellNone, pair.Info, pair.Warning, pair.Critical}
	if !slices.Contains(severities, t.Conditions) {
		refused = append(refused, pair.RefuseField(of+".tell.conditions", "use none, info, warning or critical"))
	}
	for i, kind := range t.Kinds {
		if !slices.Contains(pair.ToldKinds(), kind) {
			refused = append(refused, pair.RefuseField(of+".tell.kinds", "%.40q is no kind of event: use %s", kind, strings.Join(pair.ToldKinds(), ", ")))
		}
		if slices.Contains(t.Kinds[:i], kind) {
			refused = append(refused, pair.RefuseField(of+".tell.kinds", "%s is listed twice", kind))
		}
	}
	return refused
}

func checkWebhook(i int, w pair.Webhook) (refused []error) {
	demand := func(ok bool, name, format string, args ...any) {
		if !ok {
			refused = append(refused, pair.RefuseField(field(i, name), format, args...))
		}
	}
	demand(w.Name != "" && plain(w.Name) && len(w.Name) <= mostName, "name", "use 1 to %d characters and no control characters", mostName)
	demand(plain(w.Secret) && len(w.Secret) >= leastSecret && len(w.Secret) <= mostSecret, "secret",
		"use %d to %d characters, as openssl rand -hex 32 makes", leastSecret, mostSecret)
	if err := checkURL(w.URL); err != nil {
		refused = append(refused, pair.RefuseField(field(i, "url"), "%s", err))
	}
	return refused
}

func checkURL(text string) error {
	target, err := url.Parse(text)
	switch {
	case len(text) > mostURL:
		return fmt.Errorf("use at most %d characters", mostURL)
	case err != nil, target.Scheme != "https" && target.Scheme != "http", !validHost(target.Hostname()):
		return errors.New("write an address like https://hooks.example.org/baton")
	case target.User != nil:
		return errors.New("leave user and password out: the signature says who sends")
	case target.Fragment != "":
		return errors.New("leave out what follows #: it is never sent")
	case !plain(text):
		return errors.New("leave out control characters")
	}
	if port := target.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return errors.New("use a port from 1 to 65535")
		}
	}
	if addr, err := netip.ParseAddr(target.Hostname()); err == nil {
		return allowed(addr)
	}
	return nil
}

// plain reports whether a text has no character that could end a header line or
// hide something.
func plain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || r == unicode.ReplacementChar || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
	})
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

func validHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return len(host) <= 253 && hostName.MatchString(host)
}

func validAddress(text string) bool {
	address, err := mail.ParseAddress(text)
	if err != nil || !plain(text) || len(text) > mostAddress || !plain(address.Address) {
		return false
	}
	at := strings.LastIndexByte(address.Address, '@')
	return at > 0 && at < len(address.Address)-1 && !strings.ContainsAny(address.Address, " <>,;:\"")
}

// server names a mail server, for people.
func server(m pair.Mail) string { return net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) }
