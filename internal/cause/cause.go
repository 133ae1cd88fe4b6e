// Package cause says in the words of a person why something failed that the
// kernel, the network or a library did. What those say themselves is for the log,
// and stands behind "Details" elsewhere.
package cause

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
)

// Sentence returns what a person is told of err: its own sentence if it has one,
// and why. The detail is what err says in full, as a library words it; empty if
// the sentence says as much.
func Sentence(err error) (text, detail string) {
	full := oneLine(err.Error())
	if !Rough(full) {
		return full, ""
	}
	text, why := plainest(err), Why(err)
	switch {
	case text == "" && why == "":
		text = "it failed for a reason that only the log tells: journalctl -u baton"
	case text == "":
		text = why
	case why != "" && !strings.Contains(text, why):
		text += " (" + why + ")"
	}
	return text, full
}

// Of is Sentence without the detail.
func Of(err error) string {
	text, _ := Sentence(err)
	return text
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }

// plainest returns what the outermost part of err says that is a sentence for a person.
func plainest(err error) string {
	if err == nil {
		return ""
	}
	if text := oneLine(err.Error()); !Rough(text) && !bareWord(err) {
		return text
	}
	switch wrapped := err.(type) { //nolint:errorlint // walks the chain itself
	case interface{ Unwrap() error }:
		return plainest(wrapped.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range wrapped.Unwrap() {
			if text := plainest(one); text != "" {
				return text
			}
		}
	}
	return ""
}

// bareWord reports whether err is a word of the kernel or the library without a sentence.
func bareWord(err error) bool {
	switch err.(type) { //nolint:errorlint // the outermost one is asked about
	case syscall.Errno, *net.OpError, *net.DNSError, *os.SyscallError, *fs.PathError, *os.LinkError:
		return true
	}
	return false
}

// Why says why something failed, as a part of a sentence; empty if err is none that
// is known here.
func Why(err error) string {
	for _, explain := range []func(error) string{ofCertificate, ofTLS, ofName, ofPath, ofKernel, ofTime, ofStream} {
		if text := explain(err); text != "" {
			return text
		}
	}
	return ""
}

func ofCertificate(err error) string {
	if _, is := errors.AsType[x509.HostnameError](err); is {
		return "its certificate is for another name"
	}
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		return "its certificate is signed by nobody whom this machine trusts"
	}
	if invalid, is := errors.AsType[x509.CertificateInvalidError](err); is {
		if invalid.Reason == x509.Expired {
			return "its certificate has expired or is not valid yet, by the clock of this machine"
		}
		return "its certificate is not valid"
	}
	if _, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		return "its certificate is not trusted here"
	}
	return ""
}

func ofTLS(err error) string {
	if _, is := errors.AsType[tls.RecordHeaderError](err); is {
		return "it does not speak TLS at that port"
	}
	if _, is := errors.AsType[tls.AlertError](err); is {
		return "it broke the TLS handshake off"
	}
	if op, is := errors.AsType[*net.OpError](err); is && op.Op == "remote error" {
		return "it broke the TLS handshake off"
	}
	return ""
}

func ofName(err error) string {
	unknown, is := errors.AsType[*net.DNSError](err)
	switch {
	case !is:
		return ""
	case unknown.IsNotFound:
		return "the name " + unknown.Name + " is not known to this machine's name servers"
	case unknown.IsTimeout:
		return "this machine's name servers do not answer, so " + unknown.Name + " cannot be looked up"
	}
	return "the name " + unknown.Name + " cannot be looked up by this machine's name servers"
}

// ofPath names the file, and what the kernel says of it.
func ofPath(err error) string {
	if failed, is := errors.AsType[*fs.PathError](err); is && !Rough(failed.Err.Error()) {
		return failed.Path + ": " + failed.Err.Error()
	}
	if failed, is := errors.AsType[*os.LinkError](err); is && !Rough(failed.Err.Error()) {
		return failed.New + ": " + failed.Err.Error()
	}
	return ""
}

func ofKernel(err error) string {
	for _, known := range []struct {
		cause syscall.Errno
		text  string
	}{
		{syscall.ECONNREFUSED, "nothing listens there, or a firewall refuses"},
		{syscall.EHOSTUNREACH, "there is no way to that machine"},
		{syscall.ENETUNREACH, "this machine has no way to that network"},
		{syscall.ECONNRESET, "it broke the connection off"},
		{syscall.ECONNABORTED, "the connection was broken off"},
		{syscall.EPIPE, "it broke the connection off"},
		{syscall.ETIMEDOUT, "it did not answer in time"},
		{syscall.EADDRINUSE, "another program uses that address and port"},
		{syscall.EADDRNOTAVAIL, "this machine does not have that address"},
		{syscall.ENETDOWN, "the network interface is down"},
	} {
		if errors.Is(err, known.cause) {
			return known.text
		}
	}
	if number, is := errors.AsType[syscall.Errno](err); is {
		return "the kernel says: " + number.Error()
	}
	return ""
}

func ofTime(err error) string {
	late, is := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.Canceled):
		return "it was broken off"
	case is && late.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "it did not answer in time"
	}
	return ""
}

func ofStream(err error) string {
	_, syntax := errors.AsType[*json.SyntaxError](err)
	_, kind := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case syntax, kind:
		return "it is not written as this version reads it"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe):
		return "the connection or the text ended too early"
	}
	return ""
}

// Plain returns an error that wraps err and has the text of Of, also within a longer
// sentence.
func Plain(err error) error { return plain{err} }

type plain struct{ error }

// Error returns the sentence.
func (p plain) Error() string {
	if text := p.error.Error(); !Rough(text) {
		return text // also of several lines
	}
	return Of(p.error)
}

// Unwrap returns the error itself.
func (p plain) Unwrap() error { return p.error }
