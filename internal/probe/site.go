package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"baton/internal/cause"
	"baton/internal/health"
	"baton/internal/pair"
	"baton/internal/pair/unasked"
)

// mostBody bounds how much of an answer is read, in bytes: what comes after tells
// nothing more.
const mostBody = 64 << 10

// mostHead bounds the head of an answer, in bytes. An answer with a larger one fails.
const mostHead = 64 << 10

// Site asks a site once, and returns why it does not answer as it should, in words
// for a person. Wait bounds all of it: connecting, the answer and its body.
func Site(ctx context.Context, check pair.HealthCheck, want health.Answer, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var err error
	if check.TCP != "" {
		err = dial(ctx, check.TCP)
	} else {
		err = get(ctx, check.URL, want)
	}
	if err != nil {
		return fmt.Errorf("%s %s", check, said(err, wait))
	}
	return nil
}

// errUnasked is of an address at which no site is.
var errUnasked = errors.New("is never asked: it is link-local, multicast or a cloud's metadata service")

// dialer connects to nothing that is never asked: what counts is where a name leads now.
func dialer() *net.Dialer {
	return &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err == nil && unasked.Is(to.Addr()) {
			err = errUnasked
		}
		return err
	}}
}

func dial(ctx context.Context, address string) error {
	conn, err := dialer().DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// statusError is an answer that is none of a site that is well.
type statusError int

func (s statusError) Error() string {
	return fmt.Sprintf("answers with status %d %s", int(s), http.StatusText(int(s)))
}

// bodyError is an answer without the text that it has to contain.
type bodyError struct {
	lacks string
	cut   bool // there may be more of the answer
}

func (b bodyError) Error() string {
	if b.cut {
		return fmt.Sprintf("answers without %.200q in its first 64 KiB", b.lacks)
	}
	return fmt.Sprintf("answers without %.200q", b.lacks)
}

// get asks by a connection of its own, and follows no redirection: where it leads is
// not what was to be checked.
func get(ctx context.Context, address string, want health.Answer) error {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: dialer().DialContext, TLSClientConfig: inTime(), MaxResponseHeaderBytes: mostHead}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	request.Header.Set("User-Agent", "Baton site check")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, mostBody))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	switch {
	case !want.Status.Take(answer.StatusCode):
		return statusError(answer.StatusCode)
	case !bytes.Contains(body, []byte(want.Body)):
		return bodyError{lacks: want.Body, cut: len(body) == mostBody}
	}
	return nil
}

// inTime accepts any certificate that is in force now: a check asks whether the site answers, best
// by its own address, for which no authority signs.
func inTime() *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // nothing secret is sent, and nothing of the answer is used
		VerifyConnection: func(state tls.ConnectionState) error {
			now := time.Now()
			switch shown := state.PeerCertificates[0]; {
			case now.After(shown.NotAfter):
				return certificateError("expired on " + shown.NotAfter.Format(time.DateOnly))
			case now.Before(shown.NotBefore):
				return certificateError("is valid from " + shown.NotBefore.Format(time.DateOnly) + " on")
			}
			return nil
		},
	}
}

// certificateError is a certificate that is not in force.
type certificateError string

func (c certificateError) Error() string { return "shows a certificate that " + string(c) }

// said puts an error of the network into the words of an administrator.
func said(err error, wait time.Duration) string {
	var timeout net.Error
	var lookup *net.DNSError
	var status statusError
	var certificate certificateError
	var body bodyError
	switch {
	case errors.As(err, &certificate):
		return certificate.Error()
	case errors.Is(err, errUnasked):
		return errUnasked.Error()
	case errors.As(err, &status):
		return status.Error()
	case errors.As(err, &body):
		return body.Error()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refuses connections: nothing listens there"
	case errors.As(err, &lookup):
		return "cannot be asked: its name is not known"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "cannot be reached: there is no way to it"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "ends the connection without an answer"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "does not answer within " + pair.LastingText(wait)
	}
	if why := cause.Why(err); why != "" {
		return "cannot be asked: " + why
	}
	return "answers with what is not HTTP, or with a head of more than 64 KiB"
}
