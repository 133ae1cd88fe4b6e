// Package causetest has the failures that libraries report, for tests that see to
// it that people are told of none of them in those words.
package causetest

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
	"syscall"
)

// Raw returns one failure of each kind.
func Raw() []error {
	broken := json.Unmarshal([]byte("{"), new(map[string]string))
	other := json.Unmarshal([]byte(`{"a":1}`), new(map[string]string))
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(198, 51, 100, 2), Port: 443}, Err: err}
	}
	return []error{
		dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)),
		dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)),
		dial(os.NewSyscallError("connect", syscall.ENETUNREACH)),
		dial(os.NewSyscallError("connect", syscall.ETIMEDOUT)),
		dial(os.ErrDeadlineExceeded),
		dial(&net.DNSError{Err: "no such host", Name: "beta.example.com", Server: "127.0.0.53:53", IsNotFound: true}),
		dial(&net.DNSError{Err: "i/o timeout", Name: "beta.example.com", Server: "127.0.0.53:53", IsTimeout: true}),
		dial(&net.DNSError{Err: "server misbehaving", Name: "beta.example.com", IsTemporary: true}),
		&net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)},
		&net.OpError{Op: "write", Net: "tcp", Err: os.NewSyscallError("write", syscall.EPIPE)},
		&net.OpError{Op: "listen", Net: "tcp", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)},
		&net.OpError{Op: "remote error", Err: tls.AlertError(40)},
		tls.AlertError(42),
		tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
		x509.UnknownAuthorityError{},
		x509.HostnameError{Host: "beta", Certificate: &x509.Certificate{}},
		x509.CertificateInvalidError{Reason: x509.Expired, Detail: "current time 2030 is after 2029"},
		x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign},
		&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
		context.DeadlineExceeded, context.Canceled, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, broken, other,
		&fs.PathError{Op: "open", Path: "/srv/www/a", Err: syscall.EACCES},
		&fs.PathError{Op: "write", Path: "/var/lib/baton/x", Err: syscall.ENOSPC},
		&os.LinkError{Op: "rename", Old: "/srv/a", New: "/srv/b", Err: syscall.EXDEV},
		errors.New("http2: client connection lost"), errors.New("SQLITE_BUSY: database is locked (5)"),
		errors.New("sql: database is closed"), errors.New("exit status 1"),
	}
}
