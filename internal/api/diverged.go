package api

import (
	"context"
	"io"

	"baton/internal/pair"
)

// DivergedCopies keeps what losing sides wrote.
type DivergedCopies interface {
	DivergedCopies(ctx context.Context) ([]pair.DivergedCopy, error)
	// ExportDiverged writes the copy as a tar archive. Nothing has been written
	// if it returns NotFound.
	ExportDiverged(ctx context.Context, id string, to io.Writer) error
	DeleteDiverged(ctx context.Context, id string) error
}

// ListDiverged lists what losing sides wrote.
func ListDiverged() Op[DivergedCopies, None, []pair.DivergedCopy] {
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

func (s *Server) serveDiverged() {
	serve(s, s.backend.Diverged, ListDiverged())
	ExportDiverged().serve(s, s.backend.Diverged)
	serve(s, s.backend.Diverged, DeleteDiverged())
}
