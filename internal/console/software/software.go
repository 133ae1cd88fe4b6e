package software

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

const uploadTime = 10 * time.Minute // for a whole backup to arrive

// softwarePage is what Management > Software shows.
type softwarePage struct {
	Software api.Software
	Licence  api.Licence // Baton's own
	Linked   int64       // how many others
	Backup   *page.Form
	Restore  *page.Form
	Zone     *time.Location
}

// Commit is the commit of the build as people write it.
func (p softwarePage) Commit() string { return p.Software.Commit[:min(len(p.Software.Commit), 12)] }

func (p software) page() page.Of[softwarePage] {
	return page.Of[softwarePage]{Name: "software", Title: "Software", Read: p.read}
}

func (p software) read(v *page.Visit) (softwarePage, error) {
	installed, err := p.backend.Software.Software(v.Context())
	if err != nil {
		return softwarePage{}, err
	}
	licences, err := p.backend.Software.Licences(v.Context())
	if err != nil || len(licences) == 0 {
		return softwarePage{}, errors.Join(err, errors.New("there are no licences"))
	}
	return softwarePage{
		Software: installed, Licence: licences[0], Linked: int64(len(licences) - 1),
		Backup: page.NewForm("backup", nil), Restore: page.NewForm("restore", nil), Zone: v.Zone,
	}, nil
}

// downloadBackup streams a backup to the browser. Its password is in the form,
// never in an address.
func (p software) downloadBackup(v *page.Visit, f *page.Form) error {
	password := f.Get("password")
	if password != f.Get("again") {
		f.Refuse("again", "the two passwords differ: type the same one twice")
	}
	if f.Right() {
		err := v.Download(p.backupName(v), "application/octet-stream", func(to io.Writer) error { return p.backend.Backups.CreateBackup(v.Context(), password, to) })
		if err == nil || pair.CodeOf(err) != pair.Usage {
			return err
		}
		f.Refuse("password", err.Error())
	}
	f.Forget("password", "again")
	return p.page().With(v, http.StatusUnprocessableEntity, func(data *softwarePage) { data.Backup = f })
}

// backupName names the site, or else the appliance, and the day.
func (p software) backupName(v *page.Visit) string {
	subject := v.Status.Appliance.Name
	if site, err := p.backend.Site.Site(v.Context()); err == nil && site.Name != "" {
		subject = site.Name
	}
	return page.FileName(".age", "baton", subject, v.Now().In(v.Zone).Format("2006-01-02"))
}

// restorePage asks whether what a backup holds should replace what is here.
type restorePage struct {
	Backup api.InspectedBackup
	Zone   *time.Location
}

// Also lists what else is set, in words.
func (p restorePage) Also() string { return strings.Join(p.Backup.Documents, ", ") }

// inspectBackup reads an uploaded backup as it arrives, and changes nothing.
func (p software) inspectBackup(v *page.Visit) error {
	// A test's writer may have no deadlines.
	_ = http.NewResponseController(v.Writer).SetReadDeadline(time.Now().Add(uploadTime))
	holds, err := p.inspectUpload(v)
	if err == nil {
		return v.Page("restore", "Restore a backup", restorePage{Backup: holds, Zone: v.Zone})
	}
	f := page.NewForm("restore", nil)
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case large:
		f.Refuse("file", "this file is larger than "+pair.BytesText(api.MaxBackup)+": it is not a backup")
	case !f.Refused(err):
		return err
	}
	return p.page().With(v, http.StatusUnprocessableEntity, func(data *softwarePage) { data.Restore = f })
}

func (p software) inspectUpload(v *page.Visit) (api.InspectedBackup, error) {
	password, file, err := api.BackupParts(v.Request)
	if err != nil {
		return api.InspectedBackup{}, err
	}
	return p.backend.Backups.InspectBackup(v.Context(), password, file)
}

func (p software) restoreBackup(v *page.Visit, f *page.Form) error {
	if err := p.backend.Backups.RestoreInspected(v.Context(), f.Get("id")); err != nil {
		if !f.Refused(err) {
			return err
		}
		return p.page().With(v, http.StatusUnprocessableEntity, func(data *softwarePage) { data.Restore = f })
	}
	return v.Done(path, "The backup is restored. Everybody was signed out: sign in with a user name and password of the backup.")
}

func (p software) downloadBundle(v *page.Visit) error {
	name := page.FileName(".tar.gz", "baton-support", v.Status.Appliance.Name, v.Now().In(v.Zone).Format("2006-01-02"))
	return v.Download(name, "application/gzip", func(to io.Writer) error { return p.backend.Software.SupportBundle(v.Context(), to) })
}

func (p software) showLicences(v *page.Visit) error {
	licences, err := p.backend.Software.Licences(v.Context())
	if err != nil {
		return err
	}
	return v.Page("licences", "Licences", licences)
}

// licencesText is all of it as one text.
func (p software) licencesText(v *page.Visit) error {
	licences, err := p.backend.Software.Licences(v.Context())
	if err != nil {
		return err
	}
	v.Writer.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, licence := range licences {
		_, err := io.WriteString(v.Writer, licence.Name+" "+licence.Version+" ("+licence.Kind+")\n\n"+licence.Text+"\n\n\n")
		if err != nil {
			return nil //nolint:nilerr // an error means that the client has gone
		}
	}
	return nil
}
