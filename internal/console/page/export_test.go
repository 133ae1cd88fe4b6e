package page

import (
	"html/template"
	"time"

	"baton/internal/pair"
)

// What tests of the whole console ask of the frame.
const (
	Policy       = policy
	AssetPrefix  = assetPrefix
	MaxSmallForm = maxSmallForm
)

// Moment is what a page says of the moment when it was drawn.
func Moment(status pair.Status, at time.Time) string { return momentOf(status, at).String() }

// Templates are those of all pages, by name.
func (s *Server) Templates() map[string]func() (*template.Template, error) { return s.templates }
