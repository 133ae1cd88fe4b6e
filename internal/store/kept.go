package store

import (
	"context"
	"encoding/json"
	"fmt"
)

// The documents of a site.
const (
	SiteDocument          = "site"          // what it is called and shows
	CertificateDocument   = "certificate"   // its certificate
	NotificationsDocument = "notifications" // who is told of what
	SecurityDocument      = "security"      // who may come in
)

// ReadDocument reads a document; one that was never saved leaves into as it is, with
// version 0.
func (s *Site) ReadDocument(ctx context.Context, name string, into any) (version int64, err error) {
	text, version, err := s.Document(ctx, name)
	if err != nil || version == 0 {
		return 0, err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return version, fmt.Errorf("read the document %s: %w", name, err)
	}
	return version, nil
}
