package notify

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	netmail "net/mail"
	"strings"

	"github.com/wneessen/go-mail"

	"baton/internal/pair"
)

// mail sends a notice as one mail to all recipients.
func (s *Sender) mail(ctx context.Context, m pair.Mail, notice Notice) error {
	message, err := s.compose(m, notice)
	if err != nil {
		return unsent(fmt.Sprintf("the mail could not be written: %s.", err), errNotTaken, err)
	}
	client, err := mail.NewClient(m.Host, s.mailOptions(ctx, m)...)
	if err != nil {
		return explain(server(m), err)
	}
	err = client.DialAndSendWithContext(ctx, message)
	if message.IsDelivered() {
		return nil // only the closing command failed
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return explainMail(server(m), m.User, err)
}

func (s *Sender) mailOptions(ctx context.Context, m pair.Mail) []mail.Option {
	config := s.tls.Clone()
	config.ServerName = m.Host
	policy := mail.NoTLS
	if m.Encryption == pair.EncryptStartTLS {
		policy = mail.TLSMandatory
	}
	options := []mail.Option{
		mail.WithPort(m.Port), mail.WithTimeout(mailWait), mail.WithTLSConfig(config), mail.WithTLSPolicy(policy),
		mail.WithDialContextFunc(func(dialing context.Context, network, _ string) (net.Conn, error) {
			conn, err := dialMail(dialing, network, server(m), m.Encryption, config)
			if err == nil {
				// The library bounds only what it waits for one by one.
				context.AfterFunc(ctx, func() { _ = conn.Close() }) // closed already, if all went well
			}
			return conn, err
		}),
	}
	if m.User != "" {
		options = append(options, mail.WithUsername(m.User), mail.WithPassword(m.Password),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthCramMD5))
	}
	return options
}

// dialMail connects to a mail server.
func dialMail(ctx context.Context, network, address string, encryption pair.Encryption, config *tls.Config) (net.Conn, error) {
	conn, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if encryption != pair.EncryptTLS {
		return conn, nil
	}
	encrypted := tls.Client(conn, config)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // the handshake's error tells more
		return nil, err
	}
	return encrypted, nil
}

// compose writes the mail. Everything that goes into a header has been checked when
// it was saved, or is made one line here.
func (s *Sender) compose(m pair.Mail, notice Notice) (*mail.Msg, error) {
	message := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := message.From(m.From); err != nil {
		return nil, err
	}
	if err := message.To(m.To...); err != nil {
		return nil, err
	}
	message.Subject(oneLine(subject(notice), mostSubject))
	message.SetDateWithValue(notice.Time.In(notice.From.Zone))
	message.SetMessageIDWithValue(messageID(m.From, notice.ID))
	message.SetUserAgent(s.agent)
	message.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office answers
	message.SetBodyString(mail.TypeTextPlain, body(notice))
	return message, nil
}

// messageID is the same for every attempt, so that a mail that was delivered twice
// shows as one.
func messageID(from, id string) string {
	domain := "baton.invalid"
	if address, err := netmail.ParseAddress(from); err == nil {
		_, domain, _ = strings.Cut(address.Address[strings.LastIndexByte(address.Address, '@'):], "@")
	}
	keep := func(r rune) rune {
		if r < 0x80 && (r == '-' || r == '.' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return '-'
	}
	return strings.Map(keep, id) + "@" + strings.Map(keep, domain)
}
