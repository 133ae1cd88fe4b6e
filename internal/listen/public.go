package listen

import (
	"crypto/tls"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"baton/internal/certificate"
	"baton/internal/pair"
)

// Public is what people who reach the site meet: its page and its certificate, as the
// site database says. Its methods are safe for use by several goroutines.
type Public struct {
	doors        Doors
	certificates *certificates
	hostName     atomic.Pointer[string] // of the site, for every request to look at
	page         atomic.Bool

	mu      sync.Mutex // held while a change is brought into force, so that the newest comes last
	site    pair.Site  // in force
	keeping certificate.Stored
}

// NewPublic returns one whose doors show the page of a site without a name, and whose TLS
// port shows the console's own certificate.
func NewPublic(doors Doors, own certificate.Certificate, shared []pair.SharedIP) *Public {
	return &Public{doors: doors, certificates: &certificates{console: own, shared: shared}}
}

// HasPage reports whether the site has a page of its own, which is shown where it has no files.
func (p *Public) HasPage() bool { return p.page.Load() }

// TLS is what the TLS port shows to all but the peer.
func (p *Public) TLS() *tls.Config { return p.certificates.tls() }

// SiteTLS is what the site's own ports show.
func (p *Public) SiteTLS() *tls.Config { return p.certificates.siteTLS() }

// Console is the certificate that browsers meet where the site is not asked for.
func (p *Public) Console() certificate.Certificate { return p.certificates.console }

// Site is the certificate of the site in force, and the host name of the site; false if
// there is none.
func (p *Public) Site() (shown certificate.Site, hostName string, is bool) {
	site := p.certificates.site.Load()
	if site == nil {
		return certificate.Site{}, "", false
	}
	return site.Site, site.hostName, true
}

// Conditions are those of a certificate that is over, or soon will be.
func (p *Public) Conditions(now time.Time) []pair.Condition { return p.certificates.expiring(now) }

// Read has read bring into force what it reads, one at a time, so that the newest comes
// last. If it fails, what was in force stays.
func (p *Public) Read(read func() (pair.Site, certificate.Stored, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	site, document, err := read()
	if err != nil {
		return err
	}
	return p.show(site, document)
}

// show brings a page and a certificate into force. If they are the same as before,
// nothing happens, and sessions go on.
func (p *Public) show(site pair.Site, document certificate.Stored) error {
	if site == p.site && document == p.keeping {
		return nil
	}
	if err := errors.Join(p.doors.site.SetPage(site), p.certificates.show(document, site.HostName)); err != nil {
		return err
	}
	p.site, p.keeping = site, document
	p.hostName.Store(&site.HostName)
	p.page.Store(site.Title != "" || site.Message != "")
	return nil
}
