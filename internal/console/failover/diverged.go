package failover

import (
	"io"
	"slices"
	"time"

	"baton/internal/console/page"
	"baton/internal/pair"
)

// divergedPage shows one diverged copy.
type divergedPage struct {
	Copy pair.DivergedCopy
	More int // files that are not listed
	Zone *time.Location
	Form *page.Form
}

func (p status) diverged(v *page.Visit) (divergedPage, error) {
	const most = 200
	id := v.Request.PathValue("id")
	copies, err := p.backend.Diverged.DivergedCopies(v.Context())
	if err != nil {
		return divergedPage{}, err
	}
	i := slices.IndexFunc(copies, func(d pair.DivergedCopy) bool { return d.ID == id })
	if i < 0 {
		return divergedPage{}, pair.Refuse(pair.NotFound, "there is no diverged copy %q on this appliance: look at the list on the Status page", id)
	}
	data := divergedPage{Copy: copies[i], More: max(len(copies[i].Files)-most, 0), Zone: v.Zone, Form: page.NewForm("", nil)}
	data.Copy.Files = data.Copy.Files[:min(len(data.Copy.Files), most)]
	return data, nil
}

func (p status) showDiverged(v *page.Visit) error {
	data, err := p.diverged(v)
	if err != nil {
		return err
	}
	return v.Page("diverged", "Diverged copy", data)
}

// exportDiverged downloads a copy as a tar archive.
func (p status) exportDiverged(v *page.Visit) error {
	data, err := p.diverged(v)
	if err != nil {
		return err
	}
	return v.Download("baton-diverged-"+data.Copy.ID+".tar", "application/x-tar", func(to io.Writer) error {
		return p.backend.Diverged.ExportDiverged(v.Context(), data.Copy.ID, to)
	})
}

func (p status) deleteDiverged(v *page.Visit) error {
	data, err := p.diverged(v)
	if err != nil {
		return err
	}
	if v.Request.PostFormValue("confirm") == "" {
		data.Form.Refuse("confirm", "check this: a deleted copy cannot be brought back")
		return v.Again("diverged", "Diverged copy", data)
	}
	if err := p.backend.Diverged.DeleteDiverged(v.Context(), data.Copy.ID); err != nil {
		return v.WarnOf("/status", err)
	}
	return v.Done("/status", "The diverged copy is deleted.")
}
