package listen

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
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
	site    atomic.Pointer[shownCertificate]
}

// shownCertificate is the site's certificate in force.
type shownCertificate struct {
	certificate.Site

	hostName string // of the site; empty: none
	config   *tls.Config
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

// siteTLS is what a port shows where there is nothing but the site: its certificate, or the
// console's as long as it has none.
func (c *certificates) siteTLS() *tls.Config {
	config := showing(c.console)
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if site := c.site.Load(); site != nil {
			return site.config, nil
		}
		return nil, nil // the console's
	}
	return config
}

// showing makes a configuration with sessions of its own: no session outlives the
// certificate under which it began.
func showing(shown certificate.Certificate) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{shown.TLS()}, NextProtos: []string{"h2", "http/1.1"}}
	config.WrapSession = config.EncryptTicket
	config.UnwrapSession = config.DecryptTicket
	return config
}

// asked reports whether a client wants the site: by its host name, or by another
// name that the certificate is for.
func (s *shownCertificate) asked(name string) bool {
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	return name != "" && (name == s.hostName || s.Covers(name))
}

func (c *certificates) atSharedIP(conn net.Conn) bool {
	at, err := netip.ParseAddrPort(conn.LocalAddr().String())
	return err == nil && slices.ContainsFunc(c.shared, func(ip pair.SharedIP) bool { return ip.Address.Addr() == at.Addr().Unmap().WithZone("") })
}

// show brings the site's certificate into force, for connections from now on.
func (c *certificates) show(document certificate.Stored, hostName string) error {
	if document == (certificate.Stored{}) {
		c.site.Store(nil)
		return nil
	}
	read, err := certificate.Read([]byte(document.Chain), []byte(document.Key))
	if err != nil {
		return fmt.Errorf("read the site's certificate: %w", err)
	}
	c.site.Store(&shownCertificate{Site: certificate.Site{Certificate: read, Made: document.Made}, hostName: hostName, config: showing(read)})
	return nil
}

// Of a certificate's life.
const (
	expiresSoon = certificate.RenewBefore
	notRenewed  = expiresSoon - 24*time.Hour // a renewal that takes so long has failed
)

// expiring is the condition of a site certificate that is over, or soon will be.
func (c *certificates) expiring(now time.Time) []pair.Condition {
	site := c.site.Load()
	if site == nil {
		return nil
	}
	left := site.Leaf.NotAfter.Sub(now)
	if left > expiresSoon || site.Made && left > notRenewed {
		return nil
	}
	found := pair.Condition{
		ID: "certificate-expiring", Severity: pair.Warning,
		Text:     fmt.Sprintf("The site's certificate expires on %s, in %d days.", site.Leaf.NotAfter.UTC().Format("2 January 2006"), int(left/(24*time.Hour))),
		NextStep: "Get a new one from its issuer and save it on the Site page, or with: baton certificate set CERT KEY.",
	}
	if site.Made {
		found.NextStep = "The primary was to make a new one by itself: look into its log, or make one with: baton certificate self-signed."
	}
	if left < 0 {
		found.Severity = pair.Critical
		found.Text = fmt.Sprintf("The site's certificate expired on %s: browsers refuse the site.", site.Leaf.NotAfter.UTC().Format("2 January 2006"))
	}
	return []pair.Condition{found}
}
