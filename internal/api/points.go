package api

import (
	"context"
	"io"

	"baton/internal/kept"
	"baton/internal/pair"
)

// RestorePoints are the earlier snapshots of which files can be taken out of this appliance.
type RestorePoints interface {
	RestorePoints(ctx context.Context) (kept.RestorePoints, error)
	// PackPoint writes what is chosen of a restore point as a tar archive; what it lacks is named in that. Nothing has been
	// written if it returns NotFound.
	PackPoint(ctx context.Context, chosen ChosenOfPoint, to io.Writer) error
}

// ChosenOfPoint is what is chosen of a restore point.
type ChosenOfPoint struct {
	Number uint64 `path:"number"`
	Body   ChosenOrAll
}

// ChosenOrAll names files and directories, or everything.
type ChosenOrAll struct {
	Paths []string `json:"paths,omitempty" maxItems:"10000" doc:"NAME or NAME/PATH: the name of the protected data, and a path in it; none: everything"`
}

// ListRestorePoints lists the restore points.
func ListRestorePoints() Op[RestorePoints, None, kept.RestorePoints] {
	return ask(get("/restore-points", "restore-points", pair.Viewer, "Earlier snapshots of which files can be taken out of this appliance"), RestorePoints.RestorePoints)
}

// PackPoint streams what is chosen of a restore point as a tar archive.
func PackPoint() Stream[RestorePoints, ChosenOfPoint] {
	return stream[ChosenOfPoint](post("/restore-points/{number}/pack", "pack-restore-point", pair.Administrator, "Files of a restore point as a tar archive").as("application/x-tar"),
		plainly(RestorePoints.PackPoint))
}

func servePoints(s *Server) {
	serve(s, s.backend.Points, ListRestorePoints())
	PackPoint().serve(s, s.backend.Points)
}
