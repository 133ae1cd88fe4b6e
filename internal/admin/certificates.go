package admin

import (
	"cmp"
	"context"
	"strings"
	"time"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/certificate"
	"baton/internal/pair"
	"baton/internal/store"
)

// Certificates implements api.CertificateStore.
type Certificates struct {
	*Site

	Agent  act.Agent
	Public Shown
}

// Shown are the certificates in force.
type Shown interface {
	Console() certificate.Certificate
	Site() (shown certificate.Site, hostName string, is bool)
}

// Certificates implements api.CertificateStore.
func (c *Certificates) Certificates(ctx context.Context) (api.Certificates, error) {
	var document certificate.Stored
	version, err := c.Store.Documents.Read(ctx, store.CertificateDocument, &document)
	if err != nil {
		return api.Certificates{}, act.Failure(err)
	}
	known := api.Certificates{Console: described(certificate.Site{Certificate: c.Public.Console()}, ""), Version: version}
	if site, hostName, is := c.Public.Site(); is {
		known.Site = new(described(site, hostName))
	}
	return known, nil
}

func described(of certificate.Site, hostName string) api.Certificate {
	return api.Certificate{
		Names: append([]string{}, of.Names()...), Issuer: of.Issuer(), SelfSigned: of.SelfSigned(), Renewed: of.Made,
		NotBefore: of.Leaf.NotBefore.UTC(), NotAfter: of.Leaf.NotAfter.UTC(), Fingerprint: of.Fingerprint(), Chain: of.Chain(),
		Concerns: append([]string{}, of.Concerns(time.Now(), hostName)...),
	}
}

// SetCertificate implements api.CertificateStore.
func (c *Certificates) SetCertificate(ctx context.Context, given api.NewCertificate, version int64) (api.Certificates, error) {
	if err := c.Lead.Check(); err != nil {
		return api.Certificates{}, err
	}
	read, err := certificate.Parse([]byte(given.Certificate), []byte(given.Key), time.Now())
	if err != nil {
		return api.Certificates{}, act.Failure(err)
	}
	return c.saveCertificate(ctx, certificate.Site{Certificate: read}, version, "saved a certificate of the site")
}

// SelfSignCertificate implements api.CertificateStore.
func (c *Certificates) SelfSignCertificate(ctx context.Context, version int64) (api.Certificates, error) {
	if err := c.Lead.Check(); err != nil {
		return api.Certificates{}, err
	}
	site, err := c.Site.Site(ctx)
	if err != nil {
		return api.Certificates{}, err
	}
	hosts := certificate.Hosts{}
	if site.HostName != "" {
		hosts.Names = []string{site.HostName}
	}
	for _, ip := range c.Config.SharedIPs {
		hosts.Addresses = append(hosts.Addresses, ip.Address.Addr())
	}
	if len(hosts.Names)+len(hosts.Addresses) == 0 {
		return api.Certificates{}, pair.Refuse(pair.Refused, "the site has no host name and no shared IP for which a certificate could be: save a host name first")
	}
	made, err := certificate.SelfSigned(hosts, time.Now(), certificate.SiteLasting)
	if err != nil {
		return api.Certificates{}, act.Failure(err)
	}
	return c.saveCertificate(ctx, certificate.Site{Certificate: made, Made: true}, version, "made a self-signed certificate of the site")
}

// Renew makes a new certificate of the site for the same names, before the old one ends,
// if the old one was made here. Only the primary does.
func (c *Certificates) Renew(ctx context.Context, now time.Time) error {
	if shown, _, _ := c.Public.Site(); !shown.Due(now) || c.Agent.Decision().State.Record.Role == pair.Backup {
		return nil
	}
	var kept certificate.Stored
	version, err := c.Store.Documents.Read(ctx, store.CertificateDocument, &kept)
	if err != nil {
		return err
	}
	old, err := certificate.Read([]byte(kept.Chain), []byte(kept.Key))
	if err != nil {
		return err
	}
	if newest := (certificate.Site{Certificate: old, Made: kept.Made}); !newest.Due(now) {
		return nil
	}
	made, err := certificate.SelfSigned(old.Hosts(), now, certificate.SiteLasting)
	if err != nil {
		return err
	}
	_, err = c.saveCertificate(ctx, certificate.Site{Certificate: made, Made: true}, version, "renewed the self-signed certificate of the site")
	return err
}

func (c *Certificates) saveCertificate(ctx context.Context, of certificate.Site, version int64, text string) (api.Certificates, error) {
	kept, err := of.Stored()
	if err != nil {
		return api.Certificates{}, act.Failure(err)
	}
	made := change{
		text: text + ", for " + cmp.Or(strings.Join(of.Names(), ", "), "no name") + ", valid until " + of.Leaf.NotAfter.UTC().Format("2006-01-02"),
		detail: map[string]string{
			"fingerprint": of.Fingerprint(), "issuer": of.Issuer(), "names": strings.Join(of.Names(), " "),
			"not_after": of.Leaf.NotAfter.UTC().Format(time.RFC3339),
		},
	}
	if err := c.saveDocument(ctx, store.CertificateDocument, kept, version, made); err != nil {
		return api.Certificates{}, err
	}
	return c.Certificates(ctx)
}

// RemoveCertificate implements api.CertificateStore.
func (c *Certificates) RemoveCertificate(ctx context.Context, version int64) (api.Certificates, error) {
	if err := c.Lead.Check(); err != nil {
		return api.Certificates{}, err
	}
	if _, _, is := c.Public.Site(); !is {
		return api.Certificates{}, pair.Refuse(pair.Refused, "the site has no certificate of its own: there is none to remove")
	}
	if err := c.saveDocument(ctx, store.CertificateDocument, certificate.Stored{}, version, change{text: "removed the certificate of the site"}); err != nil {
		return api.Certificates{}, err
	}
	return c.Certificates(ctx)
}
