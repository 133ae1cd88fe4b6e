package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/certificate"
	"baton/internal/pair"
)

// Site implements api.SiteStore.
func (b *backend) Site(ctx context.Context) (api.SavedSite, error) {
	saved := api.SavedSite{Front: b.front()}
	version, err := b.document(ctx, documentSite, &saved.Site)
	saved.Version = version
	return saved, act.Failure(err)
}

func (b *backend) front() api.Front {
	front := api.Front{HTTP: []string{}, HTTPS: b.config.Listen}
	if b.config.Site != nil {
		front.Root, front.HTTP = b.config.Site.Root, b.config.Site.Listen
	}
	return front
}

// SaveSite implements api.SiteStore.
func (b *backend) SaveSite(ctx context.Context, wanted api.SavedSite) (api.SavedSite, error) {
	if err := b.lead.Check(); err != nil {
		return api.SavedSite{}, err
	}
	if err := pair.Check(wanted.Site); err != nil {
		return api.SavedSite{}, act.Failure(err)
	}
	current, err := b.Site(ctx)
	if err != nil {
		return api.SavedSite{}, err
	}
	if wanted.Site == current.Site && wanted.Version == current.Version {
		return current, nil
	}
	if err := b.saveDocument(ctx, documentSite, wanted.Site, wanted.Version, siteChanged(current.Site, wanted.Site)); err != nil {
		return api.SavedSite{}, err
	}
	return b.Site(ctx)
}

// change is what an administrator did, for the history.
type change struct {
	text   string // behind who did it, without the point
	detail map[string]string
}

func siteChanged(before, after pair.Site) change {
	changes := pair.Changes(before, after)
	made := change{text: "changed " + pair.ChangesText(changes), detail: map[string]string{}}
	pair.NoteChanges(made.detail, changes)
	return made
}

// saveDocument saves a document with its line in the history, and brings it into
// force.
func (b *backend) saveDocument(ctx context.Context, name string, value any, version int64, made change) error {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("write the document %s: %w", name, err)
	}
	detail := act.By(ctx).Note()
	maps.Copy(detail, made.detail)
	event := pair.Event{Kind: pair.KindSettingChanged, Text: act.By(ctx).String() + " " + made.text + ".", Detail: detail}
	err = b.lead.Change(func() error {
		_, err := b.site.SaveDocument(ctx, name, text, version, event)
		return err
	})
	if err != nil {
		return act.Failure(err)
	}
	return b.present(ctx)
}

// Certificates implements api.CertificateStore.
func (b *backend) Certificates(ctx context.Context) (api.Certificates, error) {
	var document certificate.Stored
	version, err := b.document(ctx, documentCertificate, &document)
	if err != nil {
		return api.Certificates{}, act.Failure(err)
	}
	known := api.Certificates{Console: described(certificate.Site{Certificate: b.public.Console()}, ""), Version: version}
	if site, hostName, is := b.public.Site(); is {
		known.Site = new(described(site, hostName))
	}
	return known, nil
}

func described(c certificate.Site, hostName string) api.Certificate {
	return api.Certificate{
		Names: append([]string{}, c.Names()...), Issuer: c.Issuer(), SelfSigned: c.SelfSigned(), Renewed: c.Made,
		NotBefore: c.Leaf.NotBefore.UTC(), NotAfter: c.Leaf.NotAfter.UTC(), Fingerprint: c.Fingerprint(), Chain: c.Chain(),
		Concerns: append([]string{}, c.Concerns(time.Now(), hostName)...),
	}
}

// SetCertificate implements api.CertificateStore.
func (b *backend) SetCertificate(ctx context.Context, given api.NewCertificate, version int64) (api.Certificates, error) {
	if err := b.lead.Check(); err != nil {
		return api.Certificates{}, err
	}
	read, err := certificate.Parse([]byte(given.Certificate), []byte(given.Key), time.Now())
	if err != nil {
		return api.Certificates{}, act.Failure(err)
	}
	return b.saveCertificate(ctx, certificate.Site{Certificate: read}, version, "saved a certificate of the site")
}

// SelfSignCertificate implements api.CertificateStore.
func (b *backend) SelfSignCertificate(ctx context.Context, version int64) (api.Certificates, error) {
	if err := b.lead.Check(); err != nil {
		return api.Certificates{}, err
	}
	site, err := b.Site(ctx)
	if err != nil {
		return api.Certificates{}, err
	}
	hosts := certificate.Hosts{}
	if site.HostName != "" {
		hosts.Names = []string{site.HostName}
	}
	for _, ip := range b.config.SharedIPs {
		hosts.Addresses = append(hosts.Addresses, ip.Address.Addr())
	}
	if len(hosts.Names)+len(hosts.Addresses) == 0 {
		return api.Certificates{}, pair.Refuse(pair.Refused, "the site has no host name and no shared IP for which a certificate could be: save a host name first")
	}
	made, err := certificate.SelfSigned(hosts, time.Now(), certificate.SiteLasting)
	if err != nil {
		return api.Certificates{}, act.Failure(err)
	}
	return b.saveCertificate(ctx, certificate.Site{Certificate: made, Made: true}, version, "made a self-signed certificate of the site")
}

// renewCertificate makes a certificate of the site that was made here anew, for the
// same names, while some of its time is left; on the primary only.
func (b *backend) renewCertificate(ctx context.Context, now time.Time) error {
	if shown, _, _ := b.public.Site(); !shown.Due(now) || b.agent.Look().State.Record.Role == pair.Backup {
		return nil
	}
	var kept certificate.Stored
	version, err := b.document(ctx, documentCertificate, &kept)
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
	_, err = b.saveCertificate(ctx, certificate.Site{Certificate: made, Made: true}, version, "renewed the self-signed certificate of the site")
	return err
}

func (b *backend) saveCertificate(ctx context.Context, c certificate.Site, version int64, text string) (api.Certificates, error) {
	kept, err := c.Stored()
	if err != nil {
		return api.Certificates{}, act.Failure(err)
	}
	made := change{
		text: text + ", for " + cmp.Or(strings.Join(c.Names(), ", "), "no name") + ", valid until " + c.Leaf.NotAfter.UTC().Format("2006-01-02"),
		detail: map[string]string{
			"fingerprint": c.Fingerprint(), "issuer": c.Issuer(), "names": strings.Join(c.Names(), " "),
			"not_after": c.Leaf.NotAfter.UTC().Format(time.RFC3339),
		},
	}
	if err := b.saveDocument(ctx, documentCertificate, kept, version, made); err != nil {
		return api.Certificates{}, err
	}
	return b.Certificates(ctx)
}

// RemoveCertificate implements api.CertificateStore.
func (b *backend) RemoveCertificate(ctx context.Context, version int64) (api.Certificates, error) {
	if err := b.lead.Check(); err != nil {
		return api.Certificates{}, err
	}
	if _, _, is := b.public.Site(); !is {
		return api.Certificates{}, pair.Refuse(pair.Refused, "the site has no certificate of its own: there is none to remove")
	}
	if err := b.saveDocument(ctx, documentCertificate, certificate.Stored{}, version, change{text: "removed the certificate of the site"}); err != nil {
		return api.Certificates{}, err
	}
	return b.Certificates(ctx)
}
