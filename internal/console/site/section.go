// Package site has the pages of what is served and what is protected: Site with its
// certificate, and Protection.
package site

import (
	"embed"
	"slices"

	"baton/internal/api"
	"baton/internal/console/page"
)

// Backend is what the pages need of the appliance.
type Backend struct {
	Site         api.Site
	Settings     api.Settings // the time zone
	Certificates api.CertificateStore
	Data         api.ProtectedData
	Services     api.Services
	Points       api.RestorePoints
}

//go:embed templates
var files embed.FS

// Section is the pages Site and Protection.
func Section(backend Backend) page.Section {
	return page.Section{
		Routes:    slices.Concat(site{backend}.routes(), protection{backend}.routes(), excluding{backend}.routes(), points{backend}.routes(), services{backend}.routes()),
		Templates: files,
		Live: []page.Live{
			protection{backend}.page().Live("live-protection", "live-services"),
			services{backend}.page().Live("live-service"),
		},
	}
}
