package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"baton/internal/pair"
)

// The documents of the site database that this part keeps.
const (
	documentSite        = "site"
	documentCertificate = "certificate"
)

// public is what people who reach the site meet: its page and its certificate, as
// the site database says.
type public struct {
	doors        doors
	certificates *certificates
	hostName     atomic.Pointer[string] // of the site, for every request to look at

	mu       sync.Mutex // held while a change is brought into force, so that the newest comes last
	site     pair.Site  // in force
	document certificateDocument
}

// present brings into force what the site database says now. What cannot be read
// leaves in force what was.
func (a *Appliance) present(ctx context.Context) error {
	a.public.mu.Lock()
	defer a.public.mu.Unlock()
	var site pair.Site
	_, siteErr := a.document(ctx, documentSite, &site)
	var document certificateDocument
	_, certificateErr := a.document(ctx, documentCertificate, &document)
	if err := errors.Join(siteErr, certificateErr); err != nil {
		return err
	}
	return a.public.show(site, document)
}

// show is for what may be the same as before: then nothing happens, and sessions
// go on.
func (p *public) show(site pair.Site, document certificateDocument) error {
	if site == p.site && document == p.document {
		return nil
	}
	if err := errors.Join(p.doors.present(site), p.certificates.show(document, site.HostName)); err != nil {
		return err
	}
	p.site, p.document = site, document
	p.hostName.Store(&site.HostName)
	return nil
}

// document reads a document of the site database; one that was never saved leaves
// into as it is, with version 0.
func (a *Appliance) document(ctx context.Context, name string, into any) (version int64, err error) {
	text, version, err := a.site.Document(ctx, name)
	if err != nil || version == 0 {
		return 0, err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return version, fmt.Errorf("read the document %s: %w", name, err)
	}
	return version, nil
}
