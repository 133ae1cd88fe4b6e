package api

import (
	"context"
	"io"
	"time"

	"baton/internal/kept"
	"baton/internal/pair"
)

// DivergedCopies keeps what losing sides wrote.
type DivergedCopies interface {
	DivergedCopies(ctx context.Context) ([]kept.DivergedCopy, error)
	// ExportDiverged writes the copy as a tar archive. Nothing has been written
	// if it returns NotFound.
	ExportDiverged(ctx context.Context, id string, to io.Writer) error
	DeleteDiverged(ctx context.Context, id string) error
	// DivergedReport tells what changed on which side since the common snapshot.
	DivergedReport(ctx context.Context, id string) (kept.DivergedReport, error)
	// DivergedRows tells by which rows the databases in a copy differ from those that are here now.
	DivergedRows(ctx context.Context, id string) ([]kept.DatabaseDifference, error)
	// PackDiverged writes what is chosen of a copy as a tar archive, by NAME/PATH.
	PackDiverged(ctx context.Context, chosen ChosenOf, to io.Writer) error
	// RestoreDiverged puts what is chosen back into the protected data of the primary.
	RestoreDiverged(ctx context.Context, order RestoreOf) (kept.Restored, error)
	// Compare tells where the data of the two appliances differs, and changes nothing.
	Compare(ctx context.Context) (kept.Comparison, error)
}

// ChosenOf is what is chosen of a diverged copy.
type ChosenOf struct {
	ID   string `path:"id" maxLength:"128"`
	Body Chosen
}

// Chosen names files and directories.
type Chosen struct {
	Paths []string `json:"paths" minItems:"1" maxItems:"10000" doc:"NAME or NAME/PATH: the name of the protected data, and a path in it"`
}

// RestoreOf is an order to restore from a diverged copy.
type RestoreOf struct {
	ID   string `path:"id" maxLength:"128"`
	Body RestoreOrder
}

// RestoreOrder says what is restored.
type RestoreOrder struct {
	Chosen

	Replace bool `json:"replace,omitempty" doc:"Give what is there another name beside it; otherwise nothing is restored if a file is in the way"`
}

// ListDiverged lists what losing sides wrote.
func ListDiverged() Op[DivergedCopies, None, []kept.DivergedCopy] {
	return ask(get("/diverged", "diverged", pair.Viewer, "Diverged copies: what losing sides wrote"), DivergedCopies.DivergedCopies)
}

// ExportDiverged streams one diverged copy as a tar archive.
func ExportDiverged() Stream[DivergedCopies, string] {
	return stream[inID](get("/diverged/{id}/export", "export-diverged", pair.Administrator, "One diverged copy as a tar archive").as("application/x-tar"),
		plainly(DivergedCopies.ExportDiverged))
}

// DeleteDiverged deletes a diverged copy for good.
func DeleteDiverged() Op[DivergedCopies, string, None] {
	return orderID(del("/diverged/{id}", "delete-diverged", pair.Administrator, "Delete a diverged copy for good"), DivergedCopies.DeleteDiverged)
}

// ReportDiverged tells what of a diverged copy changed on which side.
func ReportDiverged() Op[DivergedCopies, string, kept.DivergedReport] {
	return askID(get("/diverged/{id}", "diverged-report", pair.Viewer, "What of a diverged copy changed on which side since the common snapshot"), DivergedCopies.DivergedReport)
}

// RowsOfDiverged tells by which rows the databases in a diverged copy differ from those that are here now.
func RowsOfDiverged() Op[DivergedCopies, string, []kept.DatabaseDifference] {
	return askID(get("/diverged/{id}/rows", "diverged-rows", pair.Administrator, "By which rows the databases in a diverged copy differ from those that are here now").within(time.Minute), DivergedCopies.DivergedRows)
}

// PackDiverged streams what is chosen of a diverged copy as a tar archive.
func PackDiverged() Stream[DivergedCopies, ChosenOf] {
	return stream[ChosenOf](post("/diverged/{id}/pack", "pack-diverged", pair.Administrator, "Single files of a diverged copy as a tar archive").as("application/x-tar"),
		plainly(DivergedCopies.PackDiverged))
}

// restoreTimeout bounds how long putting files back may take.
const restoreTimeout = time.Hour

// RestoreDiverged puts single files back into the protected data of the primary.
func RestoreDiverged() Op[DivergedCopies, RestoreOf, kept.Restored] {
	return askBy(post("/diverged/{id}/restore", "restore-diverged", pair.Administrator, "Put files of a diverged copy back into the protected data of the primary").within(restoreTimeout), DivergedCopies.RestoreDiverged)
}

// compareTimeout bounds how long a look at the data of both sides may take.
const compareTimeout = 6 * time.Hour

// CompareSides tells where the data of the two appliances differs.
func CompareSides() Op[DivergedCopies, None, kept.Comparison] {
	return ask(get("/comparison", "comparison", pair.Viewer, "Where the protected data of the two appliances differs; both are looked at, one comparison at a time").within(compareTimeout), DivergedCopies.Compare)
}

func (s *Server) serveDiverged() {
	serve(s, s.backend.Diverged, CompareSides())
	serve(s, s.backend.Diverged, ReportDiverged())
	serve(s, s.backend.Diverged, RowsOfDiverged())
	PackDiverged().serve(s, s.backend.Diverged)
	serve(s, s.backend.Diverged, RestoreDiverged())
	serve(s, s.backend.Diverged, ListDiverged())
	ExportDiverged().serve(s, s.backend.Diverged)
	serve(s, s.backend.Diverged, DeleteDiverged())
}
