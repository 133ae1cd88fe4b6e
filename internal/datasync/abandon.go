package datasync

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"baton/internal/datasync/plan"
	"baton/internal/datasync/source/directory"
	"baton/internal/pair"
)

// abandon ends a recorded snapshot at an administrator's word, who takes the data
// as it is: what can be put into place is, and the rest is set aside and named.
func (e *Engine) abandon(ctx context.Context) error {
	e.mu.Lock()
	rec, why, lacking := e.pending, cmp.Or(e.torn, e.lacking), e.lacking
	e.mu.Unlock()
	if rec == nil { // its steps are lost, or a disk is not mounted
		e.opt.Missing(pair.Snapshot{}, bare(why))
		return e.whole()
	}
	m, steps, err := e.recorded(*rec)
	if err != nil {
		return fmt.Errorf("read the recorded snapshot: %w", err)
	}
	var missing []string
	if lacking != nil {
		missing = append(missing, bare(lacking))
	}
	var kept []divergence
	for i, set := range m.Sets {
		d, names, err := e.applySome(ctx, set, steps[i])
		if err != nil {
			names = []string{fmt.Sprintf("everything that changed in %s (%s)", set.Data.Spec, bare(err))}
		}
		missing = append(missing, names...)
		if len(d.delta.Set) > 0 {
			kept = append(kept, d)
		}
	}
	if err := e.keepUnplaced(ctx, rec.Snapshot, kept); err != nil {
		return err
	}
	if err := e.importSite(ctx, *rec); err != nil {
		missing = append(missing, "users, tokens and settings ("+bare(err)+")")
	}
	e.opt.Missing(rec.Snapshot, strings.Join(missing, "; "))
	return e.endRecord()
}

// keepUnplaced sets aside what of a snapshot could not be put into place.
func (e *Engine) keepUnplaced(ctx context.Context, of pair.Snapshot, kept []divergence) error {
	if len(kept) == 0 {
		return nil
	}
	made, err := e.makeCopy(ctx, pair.DivergedCopy{ID: fmt.Sprintf("unplaced-%d", of.Number), Time: e.opt.Now().UTC(), Epoch: of.Epoch},
		func(context.Context) ([]divergence, error) { return kept, nil })
	if err == nil {
		e.opt.Aside(made)
	}
	return err
}

// applySome puts into place what can be, and returns what cannot: its names, and
// its content as it is in the staging.
func (e *Engine) applySome(ctx context.Context, set plan.Set, steps []directory.Step) (divergence, []string, error) {
	if len(steps) == 0 {
		return divergence{}, nil, nil
	}
	tree, err := e.open(set.Data)
	if err != nil {
		return divergence{}, nil, err
	}
	defer func() { _ = tree.Close() }()
	left, why := tree.ApplySome(steps)
	if len(left) == 0 {
		return divergence{}, nil, tree.Sync()
	}
	const most = 5
	var names []string
	for _, s := range left[:min(len(left), most)] {
		names = append(names, tree.Path()+"/"+s.Path)
	}
	if len(left) > most {
		names = append(names, fmt.Sprintf("%d more names there", len(left)-most))
	}
	names[len(names)-1] += " (" + bare(explain(why, tree.Path())) + ")"
	place, err := tree.Gather(left)
	if err != nil || place == "" {
		return divergence{}, names, err
	}
	from, err := tree.Below(place)
	if err != nil {
		return divergence{}, names, err
	}
	defer func() { _ = from.Close() }()
	from.Scheme = plan.Newest
	scan, err := from.Scan(ctx, nil, e.opt.Now)
	if err != nil {
		return divergence{}, names, err
	}
	d := divergence{data: set.Data, all: scan.Entries, open: func() (*directory.Tree, error) {
		tree, err := e.open(set.Data)
		if err != nil {
			return nil, err
		}
		defer func() { _ = tree.Close() }()
		return tree.Below(place)
	}}
	for _, entry := range scan.Entries {
		if entry.Kind != plan.Dir {
			d.delta.Set = append(d.delta.Set, entry)
		}
	}
	return d, names, nil
}
