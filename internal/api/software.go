package api

import (
	"context"
	"io"
	"time"

	"baton/internal/pair"
)

// Maintaining tells what software runs here, and helps where it does not run well.
type Maintaining interface {
	Software(ctx context.Context) (Software, error)
	// Licences lists Baton's own first, then those of what is linked into it.
	Licences(ctx context.Context) ([]Licence, error)
	// SupportBundle writes what a supporter needs, without secrets, as a tar archive
	// compressed with gzip.
	SupportBundle(ctx context.Context, to io.Writer) error
}

// GetSoftware tells what runs on the appliance and on its peer.
func GetSoftware() Op[Maintaining, None, Software] {
	return ask(get("/software", "software", pair.Viewer, "What runs on this appliance and on its peer"), Maintaining.Software)
}

// ListLicences lists the licence of Baton, and those of what is linked into it.
func ListLicences() Op[Maintaining, None, []Licence] {
	return ask(get("/licences", "licences", pair.Viewer, "The licence of Baton, and those of what is linked into it"), Maintaining.Licences)
}

// MakeSupportBundle streams what a supporter needs, without secrets.
func MakeSupportBundle() Stream[Maintaining, None] {
	return stream[None](
		get("/support-bundle", "support-bundle", pair.Administrator, "What a supporter needs, without secrets: a tar archive compressed with gzip").
			as("application/gzip"),
		func(m Maintaining, ctx context.Context, _ None, w *streamWriter) error {
			return m.SupportBundle(ctx, w)
		})
}

func (s *Server) serveSoftware() {
	serve(s, s.backend.Software, GetSoftware())
	serve(s, s.backend.Software, ListLicences())
	MakeSupportBundle().serve(s, s.backend.Software)
}

// Software tells what runs on this appliance, and on its peer.
type Software struct {
	Version   string        `json:"version"`
	Commit    string        `json:"commit,omitempty" doc:"Of the source, if the build knows"`
	Committed time.Time     `json:"committed,omitzero"`
	Modified  bool          `json:"modified,omitempty" doc:"The source was changed after that commit"`
	Go        string        `json:"go" doc:"Version of the compiler"`
	Platform  string        `json:"platform" doc:"System and processor"`
	Started   time.Time     `json:"started" doc:"When this daemon was started"`
	Peer      *PeerSoftware `json:"peer,omitempty"`
}

// PeerSoftware is what the peer last said of itself.
type PeerSoftware struct {
	Name    string `json:"name"`
	Version string `json:"version" doc:"Empty if it has not been heard since the daemon started"`
	Same    bool   `json:"same"`
}

// Licence is that of Baton, or of something that is linked into it or that the
// console hands to browsers.
type Licence struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Kind    string `json:"kind" doc:"SPDX identifier"`
	Text    string `json:"text"`
}
