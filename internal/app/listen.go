package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/api"
	"baton/internal/console"
)

// part is something that listens, ready to serve.
type part struct {
	name  string
	serve func(context.Context) error
}

// listen opens every address before anything acts, so that a wrong one is said
// at once.
func (a *Appliance) listen(ctx context.Context) ([]part, error) {
	server := a.server
	socket, err := api.ListenLocal(ctx, a.config.Socket)
	if err != nil {
		return nil, err
	}
	pages, err := console.New(a.backend, console.Options{Log: a.log})
	if err != nil {
		return nil, err
	}
	parts := []part{{"local socket", func(ctx context.Context) error { return server.ServeLocal(ctx, socket) }}}
	certificate, err := consoleCertificate(filepath.Join(a.config.DataDir, "local"), a.config.Name)
	if err != nil {
		return nil, err
	}
	secure := a.link.TLS(&tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}})
	crowd := newCrowd(a.isPeer)
	for _, address := range a.config.Listen {
		listener, err := open(ctx, address)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part{"listen on " + address, func(ctx context.Context) error {
			return a.serveTLS(ctx, crowd.guard(listener), secure, a.routes(server, pages))
		}})
	}
	return a.listenSite(ctx, parts)
}

// listenSite opens the public site's own addresses, each with a door of its own.
func (a *Appliance) listenSite(ctx context.Context, parts []part) ([]part, error) {
	if a.config.Site == nil {
		return parts, nil
	}
	crowd := newCrowd(func(netip.Addr) bool { return false })
	for i, address := range a.config.Site.Listen {
		listener, err := open(ctx, address)
		if err != nil {
			return nil, err
		}
		door := a.doors[i+1]
		parts = append(parts, part{"site on " + address, func(ctx context.Context) error { return door.Serve(ctx, crowd.guard(listener)) }})
	}
	return parts, nil
}

// open listens on an address that this machine need not have yet: the shared IP
// comes and goes.
func open(ctx context.Context, address string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) error {
		var option error
		err := conn.Control(func(fd uintptr) { option = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1) })
		return errors.Join(err, option)
	}}
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w: correct it in the configuration file, or stop what uses it", address, err)
	}
	return listener, nil
}

// routes is what the console's port answers: the console, the API, and the public site.
func (a *Appliance) routes(server *api.Server, pages *console.Console) http.Handler {
	network := server.Network()
	mux := http.NewServeMux()
	for _, path := range []string{"/api/", "/health", "/metrics"} {
		mux.Handle(path, network)
	}
	for _, path := range []string{console.Root, console.Root + "/"} {
		mux.Handle(path, pages.Handler())
	}
	mux.Handle("/", a.doors.console())
	return mux
}

func (a *Appliance) serveTLS(ctx context.Context, listener net.Listener, secure *tls.Config, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, TLSConfig: secure,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	a.link.Attach(server)
	stopped := context.AfterFunc(ctx, func() { _ = server.Close() }) // connections of the pair end with the daemon
	defer stopped()
	err := server.ServeTLS(listener, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (a *Appliance) mayReadMetrics(from netip.Addr) bool {
	return slices.ContainsFunc(a.config.MetricsAllow, func(network netip.Prefix) bool { return network.Contains(from) })
}

// consoleCertificate reads the certificate of the console's port, and makes a
// self-signed one at the first start.
func consoleCertificate(dir, name string) (tls.Certificate, error) {
	path := filepath.Join(dir, "console.pem")
	text, err := os.ReadFile(path) //nolint:gosec // a file of our own data directory
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = selfSigned(name); err == nil {
			err = writeWhole(path, text)
		}
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read the console's certificate: %w", err)
	}
	certificate, err := tls.X509KeyPair(text, text)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s holds no usable certificate and key: %w: put it back, or move it away and restart to make a new one", path, err)
	}
	return certificate, nil
}

// writeWhole makes a file, readable by its owner, that is whole or absent
// whatever happens meanwhile.
func writeWhole(path string, text []byte) error {
	beside := path + ".new"
	file, err := os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // a file of our own data directory
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil {
		_ = os.Remove(beside) // it may hold the very bytes that a full disk lacks
	}
	return err
}

func selfSigned(name string) ([]byte, error) {
	const lasting = 10 * 365 * 24 * time.Hour
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(lasting),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}
