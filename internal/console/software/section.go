// Package software has the page Management > Software: versions, licences, backups of the
// settings, and the support bundle.
package software

import (
	"embed"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

const path = "/management/software"

// Backend is what the page needs of the appliance.
type Backend struct {
	Software api.Maintaining
	Backups  api.Backups
	Site     api.Site // whose name a backup has
}

// software is the page.
type software struct{ backend Backend }

//go:embed templates
var files embed.FS

// Section is Management > Software.
func Section(backend Backend) page.Section {
	p := software{backend}
	return page.Section{Templates: files, Routes: []page.Route{
		page.Get(path, pair.Viewer, p.page().Show),
		page.Get(path+"/licences", pair.Viewer, p.showLicences),
		page.Get(path+"/licences.txt", pair.Viewer, p.licencesText),
		page.Submit(path+"/backup", pair.Administrator, "backup", p.downloadBackup),
		page.Upload(path+"/inspect", pair.Administrator, api.MaxBackup+page.MaxForm, p.inspectBackup),
		page.Submit(path+"/restore", pair.Administrator, "restore", p.restoreBackup),
		page.Post(path+"/support-bundle", pair.Administrator, p.downloadBundle),
	}}
}
