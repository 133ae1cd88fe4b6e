package app

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"baton/internal/certificate"
	"baton/internal/pair"
)

// certificates are those that browsers meet on the TLS port: the site's where the
// site is asked for, and this appliance's own everywhere else. The peer link,
// which shares the port, has its own identity and never meets them.
type certificates struct {
	console certificate.Certificate
	shared  []pair.SharedIP // of the configuration file
	site    atomic.Pointer[siteCertificate]
}

// siteCertificate is the site's certificate in force.
type siteCertificate struct {
	certificate.Certificate

	made     bool   // here, and not handed over
	hostName string // of the site; empty: none
	config   *tls.Config
}

// certificateDocument is how the site database keeps the site's certificate, as
// PEM; empty: none.
type certificateDocument struct {
	Chain string `json:"chain,omitempty"`
	Key   string `json:"key,omitempty"`
	Made  bool   `json:"made,omitempty"` // here, self-signed: it is renewed here
}

// tls is what the TLS port shows to all but the peer.
func (c *certificates) tls() *tls.Config {
	config := showing(c.console)
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if site := c.site.Load(); site != nil && (site.asked(hello.ServerName) || c.atSharedIP(hello.Conn)) {
			return site.config, nil
		}
		return nil, nil // the console's
	}
	return config
}

// showing makes a configuration whose sessions are its own: none outlives the
// certificate under which it began.
func showing(shown certificate.Certificate) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{shown.TLS()}, NextProtos: []string{"h2", "http/1.1"}}
	config.WrapSession = config.EncryptTicket
	config.UnwrapSession = config.DecryptTicket
	return config
}

// asked reports whether a client wants the site: by its host name, or by another
// name that the certificate is for.
func (s *siteCertificate) asked(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	return name != "" && (name == s.hostName || s.Covers(name))
}

func (c *certificates) atSharedIP(conn net.Conn) bool {
	at, err := netip.ParseAddrPort(conn.LocalAddr().String())
	return err == nil && slices.ContainsFunc(c.shared, func(ip pair.SharedIP) bool { return ip.Address.Addr() == at.Addr().Unmap().WithZone("") })
}

// show brings the site's certificate into force, for connections from now on.
func (c *certificates) show(document certificateDocument, hostName string) error {
	if document == (certificateDocument{}) {
		c.site.Store(nil)
		return nil
	}
	read, err := certificate.Read([]byte(document.Chain), []byte(document.Key))
	if err != nil {
		return fmt.Errorf("read the site's certificate: %w", err)
	}
	c.site.Store(&siteCertificate{Certificate: read, made: document.Made, hostName: hostName, config: showing(read)})
	return nil
}

// Of a certificate's life.
const (
	consoleLasting = 10 * 365 * 24 * time.Hour // the console's, made at the first start
	siteLasting    = 2 * 365 * 24 * time.Hour  // the site's, self-signed; some browsers refuse more than 825 days
	expiresSoon    = 30 * 24 * time.Hour
	notRenewed     = expiresSoon - 24*time.Hour // a renewal that takes so long has failed
)

// due reports whether it is to be made anew, which is done here only with one that
// was made here.
func (s *siteCertificate) due(now time.Time) bool {
	return s != nil && s.made && !now.Before(s.Leaf.NotAfter.Add(-expiresSoon))
}

// expiring is the condition of a site certificate that is over, or soon will be.
func (c *certificates) expiring(now time.Time) []pair.Condition {
	site := c.site.Load()
	if site == nil {
		return nil
	}
	left := site.Leaf.NotAfter.Sub(now)
	if left > expiresSoon || site.made && left > notRenewed {
		return nil
	}
	found := pair.Condition{
		ID: "certificate-expiring", Severity: pair.Warning,
		Text:     fmt.Sprintf("The site's certificate expires on %s, in %d days.", site.Leaf.NotAfter.UTC().Format("2 January 2006"), int(left/(24*time.Hour))),
		NextStep: "Get a new one from its issuer and save it on the Site page, or with: baton certificate set CERT KEY.",
	}
	if site.made {
		found.NextStep = "The primary was to make a new one by itself: look into its log, or make one with: baton certificate self-signed."
	}
	if left < 0 {
		found.Severity = pair.Critical
		found.Text = fmt.Sprintf("The site's certificate expired on %s: browsers refuse the site.", site.Leaf.NotAfter.UTC().Format("2 January 2006"))
	}
	return []pair.Condition{found}
}

// consoleCertificate reads the certificate of the console's port, and makes a
// self-signed one at the first start.
func consoleCertificate(dir, name string) (certificate.Certificate, error) {
	path := filepath.Join(dir, "console.pem")
	text, err := os.ReadFile(path) //nolint:gosec // a file of our own data directory
	if errors.Is(err, fs.ErrNotExist) {
		return newConsoleCertificate(path, name)
	}
	if err != nil {
		return certificate.Certificate{}, fmt.Errorf("read the console's certificate: %w", err)
	}
	read, err := certificate.Read(text, nil)
	if err != nil {
		return certificate.Certificate{}, fmt.Errorf("%s holds no usable certificate and key: %w: put it back, or move it away and restart to make a new one", path, err)
	}
	return read, nil
}

func newConsoleCertificate(path, name string) (certificate.Certificate, error) {
	made, err := certificate.SelfSigned(certificate.Hosts{Names: []string{name}}, time.Now(), consoleLasting)
	if err != nil {
		return made, err
	}
	chain, key, err := made.PEM()
	if err == nil {
		err = writeWhole(path, append(chain, key...))
	}
	if err != nil {
		return made, fmt.Errorf("write the console's certificate: %w", err)
	}
	return made, nil
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
