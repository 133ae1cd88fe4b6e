package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"time"

	"baton/internal/pair"
)

// How long one attempt may take in all.
const (
	mailWait    = time.Minute
	webhookWait = 15 * time.Second
)

// Sender talks to mail servers and receivers of webhooks. Its methods are safe for
// use by several goroutines.
type Sender struct {
	agent string // as it names itself: baton/1.2.3
	tls   *tls.Config
	http  *http.Client
}

// NewSender returns a sender that trusts these authorities; nil: those of the
// machine.
func NewSender(version string, roots *x509.CertPool) *Sender {
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	return &Sender{agent: "baton/" + version, tls: config, http: &http.Client{
		Transport: &http.Transport{ // no proxy: it would connect to what the guard refuses
			DialContext: dial, TLSClientConfig: config, ForceAttemptHTTP2: true,
			DisableKeepAlives: true, MaxResponseHeaderBytes: 16 << 10,
		},
		// The URL that was checked is the one that is asked.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Send makes one attempt to deliver a notice through a channel of the settings. Its
// error is a sentence for a person, and holds no secret.
func (s *Sender) Send(ctx context.Context, settings pair.Notifications, channel string, notice Notice) error {
	if channel == pair.MailChannel {
		ctx, cancel := context.WithTimeout(ctx, mailWait)
		defer cancel()
		return s.mail(ctx, settings.Mail, notice)
	}
	i := slices.IndexFunc(settings.Webhooks, func(w pair.Webhook) bool { return w.ID == channel })
	if i < 0 {
		return unsent(fmt.Sprintf("there is no channel %.40q now.", channel))
	}
	ctx, cancel := context.WithTimeout(ctx, webhookWait)
	defer cancel()
	return s.webhook(ctx, settings.Webhooks[i], notice)
}
