package failover

import (
	"io"
	"slices"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/kept"
	"baton/internal/pair"
)

// divergedPage shows one diverged copy.
type divergedPage struct {
	Copy    kept.DivergedReport
	More    int // files that are not listed
	Zone    *time.Location
	Form    *page.Form // to delete it
	Restore *page.Form

	Databases []kept.DatabaseDifference // by which rows they differ; nil: that was not asked for
}

// PutsBack reports whether a file may be put back by itself: one that is in the copy, and no database, which its program may have open.
func (d divergedPage) PutsBack(f kept.Evidence) bool {
	return f.Copy != nil && !slices.Contains(d.Copy.Databases, f.Data)
}

func (p status) diverged(v *page.Visit) (divergedPage, error) {
	const most = 200
	id := v.Request.PathValue("id")
	report, err := p.backend.Diverged.DivergedReport(v.Context(), id)
	if err != nil {
		return divergedPage{}, err
	}
	data := divergedPage{Copy: report, More: max(len(report.Files)-most, 0), Zone: v.Zone, Form: page.NewForm("", nil), Restore: page.NewForm("restore", nil)}
	data.Copy.Files = report.Files[:min(len(report.Files), most)]
	return data, nil
}

func (p status) showDiverged(v *page.Visit) error {
	data, err := p.diverged(v)
	if err != nil {
		return err
	}
	return v.Page("diverged", "Diverged copy", data)
}

// showDivergedRows shows by which rows the databases of a copy differ as well.
func (p status) showDivergedRows(v *page.Visit) error {
	data, err := p.diverged(v)
	if err == nil {
		data.Databases, err = p.backend.Diverged.DivergedRows(v.Context(), data.Copy.ID)
	}
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

// restoreDiverged puts the chosen files back into the protected data of the primary.
func (p status) restoreDiverged(v *page.Visit) error {
	data, err := p.diverged(v)
	if err != nil {
		return err
	}
	if data.Restore, err = v.Form("restore"); err != nil {
		return err
	}
	order := api.RestoreOf{ID: data.Copy.ID, Body: api.RestoreOrder{Chosen: api.Chosen{Paths: data.Restore.Values["path"]}, Replace: data.Restore.On("replace")}}
	if len(order.Body.Paths) == 0 {
		data.Restore.Problem = "Choose the files to be put back."
		return v.Again("diverged", "Diverged copy", data)
	}
	restored, err := p.backend.Diverged.RestoreDiverged(v.Context(), order)
	if err != nil {
		return v.Refused(data.Restore, err, "diverged", "Diverged copy", data)
	}
	notice := pair.Counted(restored.Files, "file") + " restored."
	if len(restored.Kept) > 0 {
		notice += " What was there before is kept: " + strings.Join(restored.Kept, ", ") + "."
	}
	return v.Done("/status/diverged/"+data.Copy.ID, notice)
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
