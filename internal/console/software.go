package console

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

const (
	softwarePath = "/management/software"
	uploadTime   = 10 * time.Minute // for a whole backup to arrive
)

func (c *Console) softwareRoutes() []route {
	inspect := post(softwarePath+"/inspect", administrator, c.inspectBackup)
	inspect.upload = api.MaxBackup + maxForm
	return []route{
		get(softwarePath, viewer, c.showSoftware),
		get(softwarePath+"/licences", viewer, c.showLicences),
		get(softwarePath+"/licences.txt", viewer, c.licencesText),
		post(softwarePath+"/backup", administrator, c.downloadBackup),
		inspect,
		post(softwarePath+"/restore", administrator, c.restoreBackup),
		post(softwarePath+"/support-bundle", administrator, c.downloadBundle),
	}
}

// softwarePage is what Management > Software shows.
type softwarePage struct {
	Software api.Software
	Licence  api.Licence // Baton's own
	Linked   int64       // how many others
	Backup   *form
	Restore  *form
	Zone     *time.Location
}

// Commit is the commit of the build as people write it.
func (p softwarePage) Commit() string { return p.Software.Commit[:min(len(p.Software.Commit), 12)] }

func (v *visit) softwarePage() (softwarePage, error) {
	software, err := v.console.backend.Software.Software(v.ctx())
	if err != nil {
		return softwarePage{}, err
	}
	licences, err := v.console.backend.Software.Licences(v.ctx())
	if err != nil || len(licences) == 0 {
		return softwarePage{}, errors.Join(err, errors.New("there are no licences"))
	}
	backup, restore := newForm(nil), newForm(nil)
	backup.ID, restore.ID = "backup", "restore"
	return softwarePage{
		Software: software, Licence: licences[0], Linked: int64(len(licences) - 1),
		Backup: backup, Restore: restore, Zone: v.zone,
	}, nil
}

func (c *Console) showSoftware(v *visit) error {
	page, err := v.softwarePage()
	if err != nil {
		return err
	}
	return v.page("software", "Software", page)
}

// softwareAgain shows the page with a refused form in place of its own.
func (v *visit) softwareAgain(refused func(*softwarePage)) error {
	page, err := v.softwarePage()
	if err != nil {
		return err
	}
	refused(&page)
	return v.again("software", "Software", page)
}

// downloadBackup streams a backup to the browser. Its password is in the form,
// never in an address.
func (c *Console) downloadBackup(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	f.ID = "backup"
	password := f.get("password")
	if password != f.get("again") {
		f.refuse("again", "the two passwords differ: type the same one twice")
	}
	if f.right() {
		err = v.download(v.backupName(), "application/octet-stream", func(to io.Writer) error { return c.backend.Backups.CreateBackup(v.ctx(), password, to) })
		if err == nil {
			return nil
		}
		if pair.CodeOf(err) != pair.Usage {
			return err
		}
		f.refuse("password", err.Error())
	}
	f.forget("password", "again")
	return v.softwareAgain(func(p *softwarePage) { p.Backup = f })
}

// backupName tells the site, or else the appliance, and the day.
func (v *visit) backupName() string {
	subject := v.status.Appliance.Name
	if site, err := v.console.backend.Site.Site(v.ctx()); err == nil && site.Name != "" {
		subject = site.Name
	}
	return fileName(".age", "baton", subject, v.console.now().In(v.zone).Format("2006-01-02"))
}

// restorePage asks whether what a backup holds should replace what is here.
type restorePage struct {
	Backup api.InspectedBackup
	Zone   *time.Location
}

// Also lists what else is set, in words.
func (p restorePage) Also() string { return strings.Join(p.Backup.Documents, ", ") }

// inspectBackup reads an uploaded backup as it arrives, and changes nothing.
func (c *Console) inspectBackup(v *visit) error {
	// A test's writer may have no deadlines.
	_ = http.NewResponseController(v.w).SetReadDeadline(time.Now().Add(uploadTime))
	holds, err := c.inspectUpload(v)
	if err == nil {
		return v.page("restore", "Restore a backup", restorePage{Backup: holds, Zone: v.zone})
	}
	f := newForm(nil)
	f.ID = "restore"
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case large:
		f.refuse("file", "this file is larger than "+pair.BytesText(api.MaxBackup)+": it is not a backup")
	case !f.refused(err):
		return err
	}
	return v.softwareAgain(func(p *softwarePage) { p.Restore = f })
}

func (c *Console) inspectUpload(v *visit) (api.InspectedBackup, error) {
	password, file, err := api.BackupParts(v.r)
	if err != nil {
		return api.InspectedBackup{}, err
	}
	return c.backend.Backups.InspectBackup(v.ctx(), password, file)
}

func (c *Console) restoreBackup(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	f.ID = "restore"
	if err := c.backend.Backups.RestoreInspected(v.ctx(), f.get("id")); err != nil {
		if !f.refused(err) {
			return err
		}
		return v.softwareAgain(func(p *softwarePage) { p.Restore = f })
	}
	return v.done(softwarePath, "The backup is restored. Everybody was signed out: sign in with a user name and password of the backup.")
}

func (c *Console) downloadBundle(v *visit) error {
	name := fileName(".tar.gz", "baton-support", v.status.Appliance.Name, c.now().In(v.zone).Format("2006-01-02"))
	return v.download(name, "application/gzip", func(to io.Writer) error { return c.backend.Software.SupportBundle(v.ctx(), to) })
}

func (c *Console) showLicences(v *visit) error {
	licences, err := c.backend.Software.Licences(v.ctx())
	if err != nil {
		return err
	}
	return v.page("licences", "Licences", licences)
}

// licencesText is all of it as one text.
func (c *Console) licencesText(v *visit) error {
	licences, err := c.backend.Software.Licences(v.ctx())
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, licence := range licences {
		_, err := io.WriteString(v.w, licence.Name+" "+licence.Version+" ("+licence.Kind+")\n\n"+licence.Text+"\n\n\n")
		if err != nil {
			return nil //nolint:nilerr // an error means that the client has gone
		}
	}
	return nil
}
