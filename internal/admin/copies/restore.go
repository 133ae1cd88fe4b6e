package copies

import (
	"context"
	"fmt"
	"io"
	"slices"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/datasync/archive"
	"baton/internal/datasync/source/directory"
	"baton/internal/kept"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/stream"
	"baton/internal/peer/wire"
)

// DivergedReport implements api.DivergedCopies.
func (d *Diverged) DivergedReport(_ context.Context, id string) (kept.DivergedReport, error) {
	report, err := d.Engine.Report(id)
	return report, act.Failure(err)
}

// DivergedRows implements api.DivergedCopies.
func (d *Diverged) DivergedRows(ctx context.Context, id string) ([]kept.DatabaseDifference, error) {
	found, err := d.Engine.Rows(ctx, id)
	return found, act.Failure(err)
}

// PackDiverged implements api.DivergedCopies.
func (d *Diverged) PackDiverged(ctx context.Context, of api.ChosenOf, to io.Writer) error {
	from, err := d.chosen(of.ID, of.Body.Paths)
	if err != nil {
		return act.Failure(err)
	}
	return act.Failure(pack(ctx, from, of.Body.Paths, to))
}

// chosen refuses what is not in a copy, and returns the copy's folder.
func (d *Diverged) chosen(id string, paths archive.Chosen) (string, error) {
	one, err := d.Copies.One(id)
	if err != nil {
		return "", err
	}
	for _, path := range paths {
		one := slices.ContainsFunc(one.Files, func(f kept.DivergedFile) bool {
			return !f.Deleted && archive.Chosen{path}.Has(f.Data, f.Path)
		})
		if !one {
			return "", pair.Refuse(pair.NotFound, "the copy %s holds no file %q: baton diverged show %s lists its files, each as NAME/PATH", id, path, id)
		}
	}
	return d.Copies.Path(id)
}

func pack(ctx context.Context, from string, chosen archive.Chosen, to io.Writer) error {
	w := archive.NewWriter(to)
	if err := directory.Pack(ctx, from, chosen, w); err != nil {
		return err
	}
	return w.Close()
}

// RestoreDiverged implements api.DivergedCopies. On a backup, the primary is sent the files.
func (d *Diverged) RestoreDiverged(ctx context.Context, order api.RestoreOf) (kept.Restored, error) {
	from, err := d.chosen(order.ID, order.Body.Paths)
	if err != nil {
		return kept.Restored{}, act.Failure(err)
	}
	existing := kept.KeepInPlace
	if order.Body.Replace {
		existing = kept.KeepBeside
	}
	what := "of the diverged copy " + order.ID
	reader, writer := io.Pipe()
	defer func() { _ = reader.Close() }() // lets the goroutine below end, also if nobody read
	go func() { writer.CloseWithError(pack(ctx, from, order.Body.Paths, writer)) }()
	if d.Agent.Decision().State.Record.Role != pair.Backup {
		restored, err := d.restore(ctx, reader, existing, what, act.By(ctx))
		return restored, act.Failure(err)
	}
	by := act.By(ctx)
	answer, err := stream.Send[wire.Restore, wire.RestoreAnswer](ctx, d.Link.Bulk(), wire.PathRestore,
		wire.Restore{What: what, Existing: existing, By: by.Name, From: by.From}, d.Engine.Paced(ctx, reader))
	return answer.Restored, act.Failure(err)
}

// RestoreAsked puts files back on the primary that an administrator has chosen on the backup.
func (d *Diverged) RestoreAsked(ctx context.Context, q wire.Restore, stream io.Reader) (wire.RestoreAnswer, error) {
	if d.Agent.Decision().State.Record.Role != pair.Primary {
		return wire.RestoreAnswer{}, &peer.RemoteError{Code: "refused", Text: "That appliance is not the primary now, so nothing was restored; try again in a moment."}
	}
	restored, err := d.restore(ctx, stream, q.Existing, q.What, pair.Actor{Name: q.By, From: q.From})
	return wire.RestoreAnswer{Restored: restored}, act.Remote(err)
}

// restore puts files back here, and writes that into the history.
func (d *Diverged) restore(ctx context.Context, from io.Reader, existing kept.Existing, what string, by pair.Actor) (restored kept.Restored, err error) {
	if err := d.Lead.Check(); err != nil {
		return restored, err
	}
	if restored, err = d.Engine.Restore(ctx, from, existing, d.Lead.Change); err != nil {
		return restored, err
	}
	detail := by.Note()
	for i, kept := range restored.Kept {
		detail[fmt.Sprintf("kept-%d", i+1)] = kept
		if i == 9 { //nolint:mnd // as many as a person reads
			break
		}
	}
	d.Audit.Record(pair.Event{
		Kind: pair.KindSettingChanged, Detail: detail,
		Text: fmt.Sprintf("%s restored %s (%s) %s into the protected data.", by, pair.Counted(restored.Files, "file"), pair.BytesText(restored.Bytes), what),
	})
	return restored, nil
}
