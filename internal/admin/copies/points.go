package copies

import (
	"context"
	"io"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/datasync/point"
	"baton/internal/kept"
)

// Points implements api.RestorePoints.
type Points struct {
	Points *point.Points
	Audit  act.Audit
}

// RestorePoints implements api.RestorePoints.
func (p *Points) RestorePoints(context.Context) (kept.RestorePoints, error) {
	return p.Points.List(), nil
}

// PackPoint implements api.RestorePoints.
func (p *Points) PackPoint(ctx context.Context, of api.ChosenOfPoint, to io.Writer) error {
	if err := p.Points.Pack(ctx, of.Number, of.Body.Paths, to); err != nil {
		return act.Failure(err)
	}
	p.Audit.Note(ctx, "took files out of restore point %d", of.Number)
	return nil
}
