package datasync

import (
	"context"
	"errors"
	"io"
	"strings"

	"baton/internal/datasync/archive"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/kept"
	"baton/internal/pair"
)

// ErrOccupied means that something is where an entry is to be put back.
var ErrOccupied = pair.Refuse(pair.Refused, "something is there already")

// Restore puts the entries of an archive back into the protected data here, which is in use. It removes
// and overwrites nothing: if something else is at a path, it fails with ErrOccupied and changes nothing, or,
// if it is to be replaced, gives what is there another name beside it. What is there already as it was is
// left alone. Until everything has come, nothing is changed; what changes the data is run by change, which
// may refuse it.
func (e *Engine) Restore(ctx context.Context, from io.Reader, existing kept.Existing, change func(func() error) error) (restored kept.Restored, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	run, err := e.runs.acquire(cancel)
	if err != nil {
		return kept.Restored{}, err
	}
	defer e.runs.release(run)
	if e.ledger.Pending() != nil {
		return kept.Restored{}, source.Sentence(source.ErrBlocked, "A snapshot is half in place here: try again once it is finished.")
	}
	defined, err := e.sources.Data(ctx)
	if err != nil {
		return kept.Restored{}, err
	}
	r := restoring{engine: e, defined: defined, open: map[string]*restoringOne{}}
	defer r.close()
	if err := r.take(ctx, archive.NewReader(from)); err != nil {
		return kept.Restored{}, err
	}
	err = change(func() (err error) {
		restored, err = r.place(ctx, existing)
		return err
	})
	return restored, err
}

// restoring is entries of several pieces of data on their way back.
type restoring struct {
	engine  *Engine
	defined []pair.Data
	open    map[string]*restoringOne // by name
	order   []*restoringOne
	result  kept.Restored
}

type restoringOne struct {
	source.Source
	source.Restoration

	name string
}

func (r *restoring) close() {
	for _, one := range r.order {
		_ = errors.Join(one.Restoration.Close(), one.Source.Close()) // what stays in the staging is dropped by the next data sync
	}
}

// take prepares every entry, before anything is changed.
func (r *restoring) take(ctx context.Context, from *archive.Reader) error {
	for {
		name, entry, err := from.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		one, err := r.of(name)
		if err != nil {
			return err
		}
		if err := one.Take(ctx, entry, from); err != nil {
			return err
		}
		if entry.Kind != manifest.Dir {
			r.result.Files++
			r.result.Bytes += entry.Size
		}
	}
}

// of opens the data of a name.
func (r *restoring) of(name string) (*restoringOne, error) {
	if one := r.open[name]; one != nil {
		return one, nil
	}
	for _, d := range r.defined {
		if d.Name != name || d == r.engine.sources.Inline {
			continue
		}
		src, err := r.engine.sources.Open(d, source.Serve)
		if err != nil {
			return nil, err
		}
		into, is := src.(source.Restorer)
		if !is {
			_ = src.Close()
			break
		}
		restoration, err := into.Restore()
		if err != nil {
			_ = src.Close()
			return nil, err
		}
		one := &restoringOne{Source: src, Restoration: restoration, name: name}
		r.open[name], r.order = one, append(r.order, one)
		return one, nil
	}
	return nil, source.Sentence(pair.Refuse(pair.NotFound, "no such data"), "There is no protected data %q here into which files can be put back: baton data list shows it.", name)
}

// place puts everything into place, unless something is in the way.
func (r *restoring) place(ctx context.Context, existing kept.Existing) (kept.Restored, error) {
	var there []string
	for _, one := range r.order {
		paths, err := one.Occupied(ctx)
		if err != nil {
			return kept.Restored{}, err
		}
		for _, path := range paths {
			there = append(there, one.name+"/"+path)
		}
	}
	if len(there) > 0 && existing != kept.KeepBeside {
		const most = 5
		return kept.Restored{}, source.Sentence(ErrOccupied, "Nothing was restored, as %s in the way: %s. Restore with --replace to have it renamed first, or with --to DIR to look at both.",
			inTheWay(len(there)), strings.Join(there[:min(len(there), most)], ", "))
	}
	suffix := ".before-restore-" + r.engine.opt.Now().UTC().Format("20060102-150405")
	for _, one := range r.order {
		kept, err := one.Place(suffix)
		for _, path := range kept {
			r.result.Kept = append(r.result.Kept, one.name+"/"+path)
		}
		if err != nil {
			return r.result, err
		}
	}
	return r.result, nil
}

func inTheWay(n int) string {
	if n == 1 {
		return "another file is"
	}
	return pair.Counted(int64(n), "other file") + " are"
}
