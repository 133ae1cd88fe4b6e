package apitest

import (
	"context"
	"slices"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// Site implements api.SiteStore.
func (a *Appliance) Site(context.Context) (api.SavedSite, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.siteNow(), nil
}

// Listen sets where the TLS port listens, as the configuration file would.
func (a *Appliance) Listen(addresses ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.listen = addresses
}

func (a *Appliance) siteNow() api.SavedSite {
	saved := a.site
	saved.Front = api.Front{Root: "/srv/www", HTTP: []string{":80"}, HTTPS: a.listen}
	return saved
}

// mustLead expects the lock to be held.
func (a *Appliance) mustLead() error {
	if a.status.Role == pair.Backup {
		return pair.Refuse(pair.Refused, "this appliance is the backup and gets this from its primary: do it there")
	}
	return nil
}

// SaveSite implements api.SiteStore.
func (a *Appliance) SaveSite(ctx context.Context, site api.SavedSite) (api.SavedSite, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.mustLead(); err != nil {
		return api.SavedSite{}, err
	}
	if err := pair.Check(site.Site); err != nil {
		return api.SavedSite{}, err
	}
	if site.Version != a.site.Version {
		return api.SavedSite{}, pair.Refuse(pair.Stale, "somebody else has changed this meanwhile: look at it again, then save")
	}
	site.Version++
	a.site = site
	a.record(ctx, pair.KindSettingChanged, "The site was changed.", nil)
	return a.siteNow(), nil
}

// Certificates implements api.CertificateStore.
func (a *Appliance) Certificates(context.Context) (api.Certificates, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.certificatesNow(), nil
}

func (a *Appliance) certificatesNow() api.Certificates {
	known := api.Certificates{Version: a.certificateVersion, Console: api.Certificate{
		Names: []string{"alpha"}, Issuer: "CN=alpha", SelfSigned: true, Chain: 1, Fingerprint: strings.Repeat("A1:", 31) + "A1",
		NotBefore: Start().Add(-time.Hour), NotAfter: Start().AddDate(10, 0, 0), Concerns: []string{"It is self-signed: browsers warn until it is trusted by hand."},
	}}
	if a.certificate != nil {
		known.Site = new(*a.certificate)
	}
	return known
}

// SetCertificate implements api.CertificateStore: whatever looks like PEM is for
// www.example.org.
func (a *Appliance) SetCertificate(ctx context.Context, given api.NewCertificate, version int64) (api.Certificates, error) {
	text := given.Certificate + given.Key
	switch {
	case !strings.Contains(text, "-----BEGIN CERTIFICATE-----"):
		return api.Certificates{}, pair.RefuseField("certificate", "there is none: it begins with -----BEGIN CERTIFICATE-----")
	case !strings.Contains(text, "PRIVATE KEY-----"):
		return api.Certificates{}, pair.RefuseField("key", "there is none: it begins with -----BEGIN PRIVATE KEY-----")
	}
	made := &api.Certificate{
		Names: []string{"www.example.org"}, Issuer: "CN=Example CA", Chain: 2, Fingerprint: strings.Repeat("B2:", 31) + "B2",
		NotBefore: Start().AddDate(0, -1, 0), NotAfter: Start().AddDate(0, 2, 0), Concerns: []string{},
	}
	return a.changeCertificate(ctx, made, version)
}

// SelfSignCertificate implements api.CertificateStore.
func (a *Appliance) SelfSignCertificate(ctx context.Context, version int64) (api.Certificates, error) {
	return a.changeCertificate(ctx, &api.Certificate{
		Names: []string{"www.example.org", "198.51.100.10"}, Issuer: "CN=www.example.org", SelfSigned: true, Renewed: true, Chain: 1,
		Fingerprint: strings.Repeat("C3:", 31) + "C3", NotBefore: Start(), NotAfter: Start().AddDate(2, 0, 0),
		Concerns: []string{"It is self-signed: browsers warn until it is trusted by hand."},
	}, version)
}

// RemoveCertificate implements api.CertificateStore.
func (a *Appliance) RemoveCertificate(ctx context.Context, version int64) (api.Certificates, error) {
	return a.changeCertificate(ctx, nil, version)
}

func (a *Appliance) changeCertificate(ctx context.Context, made *api.Certificate, version int64) (api.Certificates, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.mustLead(); err != nil {
		return api.Certificates{}, err
	}
	switch {
	case version != a.certificateVersion:
		return api.Certificates{}, pair.Refuse(pair.Stale, "somebody else has changed this meanwhile: look at it again, then save")
	case made == nil && a.certificate == nil:
		return api.Certificates{}, pair.Refuse(pair.Refused, "the site has no certificate of its own: there is none to remove")
	}
	a.certificate = made
	a.certificateVersion++
	a.record(ctx, pair.KindSettingChanged, "The site's certificate was changed.", nil)
	return a.certificatesNow(), nil
}

// Protection implements api.ProtectedData: each piece has two files; one named
// "broken" cannot be read.
func (a *Appliance) Protection(ctx context.Context) (api.Protection, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	known := api.Protection{Site: a.part(api.Data{Name: api.SiteDatabase, Kind: "site", Path: "/var/lib/baton/site.db"})}
	data, _ := a.Data(ctx)
	for _, data := range data {
		known.Data = append(known.Data, a.part(data))
	}
	known.Offer = a.offer(ctx)
	return known, nil
}

// offer proposes the public site's directory until it is protected.
func (a *Appliance) offer(ctx context.Context) *api.DataSpec {
	wanted := api.DataSpec{Name: "site", Kind: string(pair.DataDirectory), Path: "/srv/public"}
	if all, _ := a.Data(ctx); slices.ContainsFunc(all, func(d api.Data) bool { return d.Path == wanted.Path }) {
		return nil
	}
	return &wanted
}

func (a *Appliance) part(data api.Data) api.ProtectedPart {
	part := api.ProtectedPart{Data: data, State: api.DataAlone, Health: api.Check{ID: "readable", OK: true, Text: data.Path + " can be read."}}
	if data.Name == "broken" {
		part.Health = api.Check{ID: "readable", Text: data.Path + " is not there.", NextStep: "Put it back, or mount its disk."}
	}
	if a.status.Peer == nil {
		return part
	}
	part.State = api.DataWaiting
	if number := a.status.Sync.Snapshot.Number; number > 0 {
		part.State, part.Snapshot, part.SyncedAt = api.DataSynced, number, new(a.status.Sync.Snapshot.TakenAt)
		part.Measured, part.Files, part.Bytes = true, 2, 4096
	}
	return part
}

// Allowance implements api.ProtectedData.
func (a *Appliance) Allowance(context.Context) (api.Allowance, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return api.Allowance{Trees: pair.DefaultTrees(), Allowed: append([]string{}, a.allowed...)}, nil
}

// Allow implements api.ProtectedData.
func (a *Appliance) Allow(_ context.Context, path string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.allowed = append(a.allowed, path)
	return nil
}

// Disallow implements api.ProtectedData.
func (a *Appliance) Disallow(_ context.Context, path string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.allowed, path) {
		return pair.Refuse(pair.NotFound, "%s is not allowed by name here: baton data allow lists what is", path)
	}
	a.allowed = slices.DeleteFunc(a.allowed, func(other string) bool { return other == path })
	return nil
}

// TestData implements api.ProtectedData: a path that begins with /missing is not
// there.
func (a *Appliance) TestData(ctx context.Context, data api.DataSpec) ([]api.Check, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if strings.HasPrefix(data.Path, "/missing") {
		return []api.Check{{ID: "exists", Text: data.Path + " is not there.", NextStep: "Make it first, or correct the path.", Severity: pair.Critical}}, nil
	}
	checks := []api.Check{{ID: "exists", OK: true, Text: data.Path + " is a directory."}}
	if all, _ := a.Data(ctx); slices.ContainsFunc(all, func(d api.Data) bool { return d.Name == data.Name }) {
		checks = append(checks, api.Check{ID: "name", Text: "There is protected data named " + data.Name + " already.", NextStep: "Choose another name.", Severity: pair.Critical})
	}
	return checks, nil
}
