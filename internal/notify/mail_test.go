package notify

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"baton/internal/pair"
)

// aNotice is a takeover with what came of it.
func aNotice() Notice {
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	return Notice{
		ID: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-17", Kind: KindEvents, Time: at.Add(3 * time.Second),
		From: Situation{Self: self, Name: "alpha", Site: "Hilfe für alle", Role: pair.Primary, Zone: berlin(), Console: "https://198.51.100.1/login"},
		Items: []Item{
			{Event: raised(15, "peer-unreachable", pair.Warning, at), Times: 3, First: at.Add(-time.Minute)},
			{Event: pair.Event{ID: eventID(self, 17), Time: at, Appliance: self, Kind: pair.KindTakeover, Text: "backup → primary: the primary does not answer"}, Times: 1, First: at},
		},
		Dropped: 2,
	}
}

func send(t *testing.T, authority *authority, m pair.Mail, notice Notice) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return NewSender("1.2.3", authority.pool).Send(ctx, pair.Notifications{Mail: m}, pair.MailChannel, notice)
}

func TestAMailArrivesEncryptedAndWhole(t *testing.T) {
	authority := newAuthority(t)
	for encryption, implicit := range map[pair.Encryption]bool{pair.EncryptStartTLS: false, pair.EncryptTLS: true} {
		server := &mailServer{user: "baton", password: "a good one"}
		m := mailTo(server.serve(t, authority.issue(t, nil), implicit), encryption)
		m.User, m.Password = server.user, server.password
		for range 2 { // sent again it is the same mail
			if err := send(t, authority, m, aNotice()); err != nil {
				t.Fatal(encryption, err)
			}
		}
		got := server.received()
		if len(got) != 2 || !got[0].encrypted || got[0].user != "baton" || got[0].from != "baton@site.test" ||
			!slices.Equal(got[0].to, []string{"ann@example.org", "bob@example.org"}) {
			t.Fatalf("%s: received %+v", encryption, got)
		}
		if got[0].text != got[1].text {
			t.Errorf("%s: the second attempt differs:\n%s\n%s", encryption, got[0].text, got[1].text)
		}
		checkMailText(t, got[0].text)
	}
}

func checkMailText(t *testing.T, text string) {
	t.Helper()
	message, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject"))
	if want := "Hilfe für alle (alpha): takeover: backup → primary: the primary does not answer (and 1 more)"; err != nil || subject != want {
		t.Errorf("subject %q, want %q (%v)", subject, want, err)
	}
	for header, want := range map[string]string{
		"Message-Id":     "<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-17@site.test>",
		"Auto-Submitted": "auto-generated", "User-Agent": "baton/1.2.3",
		"Date": "Wed, 02 Jan 2030 04:04:08 +0100", "From": `"Baton" <baton@site.test>`,
	} {
		if got := message.Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	body, err := io.ReadAll(quotedprintable.NewReader(message.Body))
	if err != nil {
		t.Fatal(err)
	}
	want := `2 Jan 04:04:05  warning condition peer-unreachable
    The peer-unreachable is there.
    3 times since 2 Jan 04:03:05.
    What to do: Look at peer-unreachable.
2 Jan 04:04:05  takeover
    backup → primary: the primary does not answer

2 events before these could not be told; the history has all of them.

-- 
Hilfe für alle (alpha), primary, 2 January 2030 04:04:08 CET
Console: https://198.51.100.1/login
`
	if got := strings.ReplaceAll(string(body), "\r\n", "\n"); strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("the mail says:\n%s\nwant:\n%s", got, want)
	}
}

func TestAMailWithoutEncryptionHasNoSignIn(t *testing.T) {
	server := &mailServer{}
	if err := send(t, newAuthority(t), mailTo(server.serve(t, nil, false), pair.EncryptNone), aNotice()); err != nil {
		t.Fatal(err)
	}
	if got := server.received(); len(got) != 1 || got[0].encrypted {
		t.Errorf("received %+v", got)
	}
}

// TestWhatKeepsAMailIsToldInASentence tries what goes wrong with mail servers. None
// of it may deliver the mail, nor show the password to whom it is not for.
func TestWhatKeepsAMailIsToldInASentence(t *testing.T) {
	ours, stranger := newAuthority(t), newAuthority(t)
	good := ours.issue(t, nil)
	for name, row := range map[string]struct {
		server   *mailServer
		by       *authority
		edit     func(*x509.Certificate)
		plain    bool // the server has no certificate
		use      pair.Encryption
		password string
		words    string
		notTaken bool
	}{
		"STARTTLS is not offered":   {plain: true, use: pair.EncryptStartTLS, words: "offers no STARTTLS, and nothing is sent in the clear"},
		"no TLS on that port":       {plain: true, use: pair.EncryptTLS, words: "does not speak TLS"},
		"unknown authority":         {by: stranger, use: pair.EncryptStartTLS, words: "signed by nobody whom this machine trusts"},
		"another name":              {by: ours, edit: func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"other.test"} }, use: pair.EncryptStartTLS, words: "127.0.0.1"},
		"expired":                   {by: ours, edit: func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, use: pair.EncryptStartTLS, words: "has expired"},
		"wrong password":            {server: &mailServer{user: "baton", password: "another"}, use: pair.EncryptStartTLS, password: "the wrong one", words: "refuses user baton or the password"},
		"no sign-in offered":        {use: pair.EncryptStartTLS, password: "given", words: "offers no sign-in"},
		"recipient unknown":         {server: &mailServer{refuseRcpt: &smtp.SMTPError{Code: 550, Message: "no such user"}}, use: pair.EncryptStartTLS, words: "no such user"},
		"mail refused for good":     {server: &mailServer{refuseData: &smtp.SMTPError{Code: 554, Message: "looks like spam"}}, use: pair.EncryptStartTLS, words: "looks like spam", notTaken: true},
		"mail refused for a moment": {server: &mailServer{refuseData: &smtp.SMTPError{Code: 451, Message: "come back later"}}, use: pair.EncryptStartTLS, words: "come back later"},
	} {
		t.Run(name, func(t *testing.T) {
			server := row.server
			if server == nil {
				server = &mailServer{}
			}
			config := good
			if row.by != nil {
				config = row.by.issue(t, row.edit)
			}
			if row.plain {
				config = nil
			}
			m := mailTo(server.serve(t, config, false), row.use)
			if row.password != "" {
				m.User, m.Password = "baton", row.password
			}
			err := send(t, ours, m, aNotice())
			checkSentence(t, err, row.words, row.password)
			if pair.RefusalOf(err) == nil || errors.Is(err, errNotTaken) != row.notTaken {
				t.Errorf("the receiver's last word on this mail: %v, want %v", err, row.notTaken)
			}
			if got := server.received(); len(got) != 0 {
				t.Errorf("delivered all the same: %+v", got)
			}
		})
	}
}

// checkSentence wants one line that ends as a sentence, has these words, and no
// secret.
func checkSentence(t *testing.T, err error, words, secret string) {
	t.Helper()
	switch {
	case err == nil:
		t.Fatal("no error")
	case !strings.Contains(err.Error(), words):
		t.Errorf("%q does not say %q", err, words)
	case !strings.HasSuffix(err.Error(), ".") || strings.ContainsAny(err.Error(), "\r\n"):
		t.Errorf("%q is not one sentence", err)
	case secret != "" && strings.Contains(err.Error(), secret):
		t.Errorf("%q tells the secret", err)
	}
}

func TestAMailServerThatIsNotThereIsTold(t *testing.T) {
	authority := newAuthority(t)
	sender := NewSender("1", authority.pool)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	for _, encryption := range []pair.Encryption{pair.EncryptStartTLS, pair.EncryptTLS} {
		err := sender.Send(ctx, pair.Notifications{Mail: mailTo(deaf(t), encryption)}, pair.MailChannel, aNotice())
		checkSentence(t, err, "did not answer in time", "")
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	err := sender.Send(t.Context(), pair.Notifications{Mail: mailTo(closed(t), pair.EncryptStartTLS)}, pair.MailChannel, aNotice())
	checkSentence(t, err, "refuses the connection", "")
	for _, address := range []string{"169.254.169.254", "fe80::1", "0.0.0.0"} {
		m := mailTo(25, pair.EncryptNone)
		m.Host = address
		err = sender.Send(t.Context(), pair.Notifications{Mail: m}, pair.MailChannel, aNotice())
		checkSentence(t, err, "never connected to", "")
	}
}

// TestAServerThatBabblesIsBounded feeds the client an endless answer.
func TestAServerThatBabblesIsBounded(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		for err == nil {
			_, err = conn.Write(bytes.Repeat([]byte("220-and so on\r\n"), 100))
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	port := listener.Addr().(*net.TCPAddr).Port
	err = NewSender("1", nil).Send(ctx, pair.Notifications{Mail: mailTo(port, pair.EncryptNone)}, pair.MailChannel, aNotice())
	checkSentence(t, err, "127.0.0.1", "")
	if len(err.Error()) > 4*mostReason {
		t.Errorf("the sentence has %d bytes", len(err.Error()))
	}
}

func TestNoTextOfAnEventReachesTheHeaders(t *testing.T) {
	authority := newAuthority(t)
	server := &mailServer{}
	m := mailTo(server.serve(t, authority.issue(t, nil), false), pair.EncryptStartTLS)
	notice := aNotice()
	evil := "x\r\nBcc: eve@example.org\r\n\r\n<script>\u2028\u202e\x00"
	notice.From.Site, notice.From.Name = evil, evil
	notice.ID = "id>\r\nBcc: eve@example.org"
	for i := range notice.Items {
		notice.Items[i].Event.Text = evil
	}
	if err := send(t, authority, m, notice); err != nil {
		t.Fatal(err)
	}
	got := server.received()[0]
	message, err := mail.ReadMessage(strings.NewReader(got.text))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.to) != 2 || message.Header.Get("Bcc") != "" || strings.Contains(message.Header.Get("Message-Id"), " ") {
		t.Errorf("recipients %v, header %v", got.to, message.Header)
	}
}
