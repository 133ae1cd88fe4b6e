package api

import (
	"context"
	"time"

	"baton/internal/pair"
)

// CertificateStore keeps the site's certificate. Changes take the version that
// they were derived from; pair.Stale if that is no longer the newest. They are in
// force when they return.
type CertificateStore interface {
	Certificates(ctx context.Context) (Certificates, error)
	SetCertificate(ctx context.Context, certificate NewCertificate, version int64) (Certificates, error)
	// SelfSignCertificate makes one for the site's host name and the shared IPs.
	SelfSignCertificate(ctx context.Context, version int64) (Certificates, error)
	// RemoveCertificate has each appliance show its own again; Refused if there
	// is none.
	RemoveCertificate(ctx context.Context, version int64) (Certificates, error)
}

// GetCertificates tells of the certificates that browsers meet.
func GetCertificates() Op[CertificateStore, None, CertificatesAnswer] {
	return tagged(get("/certificate", "certificate", pair.Viewer, "The certificates that browsers meet, without their keys"),
		func(c CertificateStore, ctx context.Context, _ None) (CertificatesAnswer, error) {
			return certificatesOf(c.Certificates(ctx))
		})
}

// SetCertificate saves the site's certificate and key.
func SetCertificate() Op[CertificateStore, CertificateToSave, CertificatesAnswer] {
	return tagged(put("/certificate", "set-certificate", pair.Administrator, "Save the site's certificate and key"),
		func(c CertificateStore, ctx context.Context, wanted CertificateToSave) (CertificatesAnswer, error) {
			return changeCertificate(ctx, c, wanted.IfMatch, func(version int64) (Certificates, error) {
				return c.SetCertificate(ctx, wanted.Body, version)
			})
		})
}

// SelfSignCertificate makes one for the site's host name and the shared IPs.
func SelfSignCertificate() Op[CertificateStore, Matching, CertificatesAnswer] {
	return tagged(post("/certificate/self-signed", "self-signed-certificate", pair.Administrator, "Make a self-signed certificate for the site's host name and the shared IPs"),
		func(c CertificateStore, ctx context.Context, wanted Matching) (CertificatesAnswer, error) {
			return changeCertificate(ctx, c, wanted.IfMatch, func(version int64) (Certificates, error) {
				return c.SelfSignCertificate(ctx, version)
			})
		})
}

// RemoveCertificate has each appliance show its own certificate again.
func RemoveCertificate() Op[CertificateStore, Matching, CertificatesAnswer] {
	return tagged(del("/certificate", "remove-certificate", pair.Administrator, "Show each appliance's own certificate again"),
		func(c CertificateStore, ctx context.Context, wanted Matching) (CertificatesAnswer, error) {
			return changeCertificate(ctx, c, wanted.IfMatch, func(version int64) (Certificates, error) {
				return c.RemoveCertificate(ctx, version)
			})
		})
}

func (s *Server) serveCertificates() {
	serve(s, s.backend.Certificates, GetCertificates())
	serve(s, s.backend.Certificates, SetCertificate())
	serve(s, s.backend.Certificates, SelfSignCertificate())
	serve(s, s.backend.Certificates, RemoveCertificate())
}

// changeCertificate hands the version to go on from to act.
func changeCertificate(ctx context.Context, c CertificateStore, wanted string, act func(version int64) (Certificates, error)) (CertificatesAnswer, error) {
	now, err := c.Certificates(ctx)
	if err != nil {
		return CertificatesAnswer{}, err
	}
	if !agreed(wanted, now.Version) {
		return CertificatesAnswer{}, pair.Refuse(pair.Stale, "somebody else changed the certificate meanwhile: look at it again, then repeat the change")
	}
	return certificatesOf(act(now.Version))
}

// NewCertificate is a certificate to be saved.
type NewCertificate struct {
	Certificate string `json:"certificate" maxLength:"65536" doc:"PEM: the site's certificate, then its issuers; the key may follow"`
	Key         string `json:"key,omitempty" maxLength:"16384" doc:"PEM, without a password"`
}

// Certificate is a certificate, never its key.
type Certificate struct {
	Names       []string  `json:"names" doc:"Host names and addresses that it is for"`
	Issuer      string    `json:"issuer"`
	SelfSigned  bool      `json:"self_signed"`
	Renewed     bool      `json:"renewed" doc:"Made here: it is made anew by itself 30 days before it expires"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"fingerprint" doc:"SHA-256"`
	Chain       int       `json:"chain" doc:"How many certificates are shown, its own included"`
	Concerns    []string  `json:"concerns" doc:"What browsers object to, a sentence each"`
}

// Certificates are those that browsers meet on the TLS port.
type Certificates struct {
	Site    *Certificate `json:"site,omitempty" doc:"On the site's host name and shared IPs; absent: the console's"`
	Console Certificate  `json:"console" doc:"Of this appliance, everywhere else"`
	Version int64        `json:"-"` // of the site's
}

// CertificatesAnswer are the certificates, and the version that the site's has.
type CertificatesAnswer struct {
	ETag string `header:"ETag" doc:"Version of the site's certificate, for If-Match"`
	Body Certificates
}

// CertificateToSave is a certificate as it shall be.
type CertificateToSave struct {
	IfMatch string `header:"If-Match" maxLength:"64" doc:"Change only if this is still the version"`
	Body    NewCertificate
}

// Matching is a change that says nothing but of which version.
type Matching struct {
	IfMatch string `header:"If-Match" maxLength:"64" doc:"Change only if this is still the version"`
}

func certificatesOf(saved Certificates, err error) (CertificatesAnswer, error) {
	return CertificatesAnswer{ETag: etag(saved.Version), Body: saved}, err
}
