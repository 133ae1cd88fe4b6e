package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"syscall"

	"github.com/wneessen/go-mail"

	"baton/internal/cause"
	"baton/internal/pair"
)

// errNotTaken: the receiver understood this notice and does not take it, while it
// might take the next.
var errNotTaken = errors.New("the receiver does not take this notice")

// unsent is the sentence about what kept a notice from its receiver.
func unsent(text string, causes ...error) error {
	return &pair.Refusal{Code: pair.Unreachable, Text: oneLine(text, mostReason), Cause: errors.Join(causes...)}
}

// explain tells in a sentence why who could not be reached.
func explain(who string, err error) error {
	if err == nil {
		return nil
	}
	if pair.RefusalOf(err) != nil {
		return err
	}
	return unsent(explainNetwork(who, err), err)
}

// mostReason bounds what is told of a failure, in characters: part of it is what
// the other side said.
const mostReason = 400

func explainNetwork(who string, err error) string {
	if text := explainCertificate(who, err); text != "" {
		return text
	}
	if refused, is := errors.AsType[refusedAddressError](err); is {
		return who + " is refused: " + refused.Error() + "."
	}
	if unknown, is := errors.AsType[*net.DNSError](err); is {
		return cause.Why(unknown) + ": check the name, and this machine's DNS."
	}
	if late, is := errors.AsType[net.Error](err); is && late.Timeout() || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return who + " did not answer in time: check address and port, and the firewalls between."
	}
	for _, known := range []struct {
		cause error
		text  string
	}{
		{syscall.ECONNREFUSED, "refuses the connection: nothing listens there, or a firewall is in between."},
		{syscall.EHOSTUNREACH, "cannot be reached: there is no way to that host."},
		{syscall.ENETUNREACH, "cannot be reached: this machine has no way to that network."},
		{syscall.ECONNRESET, "broke the connection off."},
		{net.ErrClosed, "did not answer in time: check address and port, and the firewalls between."},
	} {
		if errors.Is(err, known.cause) {
			return who + " " + known.text
		}
	}
	if strings.HasSuffix(err.Error(), "EOF") {
		return who + " broke the connection off: check the port and whether it wants TLS."
	}
	return fmt.Sprintf("%s: %s.", who, strings.TrimRight(cause.Of(err), ". "))
}

func explainCertificate(who string, err error) string {
	if other, is := errors.AsType[x509.HostnameError](err); is {
		return fmt.Sprintf("the certificate of %s is for another name (%s): use that name, or correct the certificate.", who, strings.Join(other.Certificate.DNSNames, ", "))
	}
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		return fmt.Sprintf("the certificate of %s is signed by nobody whom this machine trusts: install that authority's certificate (update-ca-certificates), or correct the certificate.", who)
	}
	if invalid, is := errors.AsType[x509.CertificateInvalidError](err); is {
		if invalid.Reason == x509.Expired {
			return fmt.Sprintf("the certificate of %s has expired or is not valid yet: renew it, and check this machine's clock.", who)
		}
		return fmt.Sprintf("the certificate of %s is not valid: ask whoever runs that server.", who)
	}
	if _, is := errors.AsType[tls.RecordHeaderError](err); is {
		return who + " does not speak TLS on this port: choose STARTTLS, or another port."
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return who + " does not speak TLS on this port: write http:// instead, or another port."
	}
	if _, is := errors.AsType[tls.AlertError](err); is {
		return who + " broke the TLS handshake off: check the port and the encryption."
	}
	return ""
}

// explainMail tells in a sentence what a mail server had against a mail.
func explainMail(who, user string, err error) error {
	reply, replied := errors.AsType[*textproto.Error](err)
	refusal, refused := errors.AsType[*mail.SendError](err)
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		return unsent(who+" offers no STARTTLS, and nothing is sent in the clear: choose TLS and its port (465), or correct the server.", err)
	case strings.Contains(err.Error(), "does not support SMTP AUTH"), errors.Is(err, mail.ErrNoSupportedAuthDiscovered):
		return unsent(who+" offers no sign-in that is known here: leave the user empty, or try the other port.", err)
	case strings.Contains(err.Error(), "SMTP AUTH failed"):
		return unsent(fmt.Sprintf("%s refuses user %s or the password: %s.", who, user, words(err, reply)), err)
	case refused:
		return explainRefusal(who, err, refusal)
	case replied:
		return unsent(fmt.Sprintf("%s refuses: %s.", who, words(err, reply)), err)
	}
	return explain(who, err)
}

func explainRefusal(who string, err error, refusal *mail.SendError) error {
	what := map[mail.SendErrReason]string{
		mail.ErrSMTPMailFrom: "the sender", mail.ErrSMTPRcptTo: "a recipient",
		mail.ErrSMTPData: "the mail", mail.ErrSMTPDataClose: "the mail",
	}[refusal.Reason]
	if what == "" || refusal.ErrorCode() == 0 {
		return explain(who, err)
	}
	if what == "the mail" && !refusal.IsTemp() {
		err = errors.Join(errNotTaken, err)
	}
	return unsent(fmt.Sprintf("%s refuses %s: %s.", who, what, strings.TrimRight(refusal.Error(), ". ")), err)
}

// words are what the server said.
func words(err error, reply *textproto.Error) string {
	if reply == nil {
		return strings.TrimRight(err.Error(), ". ")
	}
	return strings.TrimRight(reply.Error(), ". ")
}
