package datasync

import (
	"context"
	"slices"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/kept"
	"baton/internal/pair"
)

// Report tells what of a diverged copy changed on which side since the common snapshot, as of the newest
// snapshot that both sides have. What that one leaves out is not known. It looks at no protected data.
func (e *Engine) Report(id string) (kept.DivergedReport, error) {
	one, err := e.Diverged.One(id)
	if err != nil {
		return kept.DivergedReport{}, err
	}
	common, of := e.ledger.State().Common()
	report := kept.DivergedReport{ID: one.ID, Time: one.Time, Epoch: one.Epoch, Bytes: one.Bytes, Since: one.Since}
	var newest manifest.Manifest
	if common != one.Since {
		if newest, err = e.ledger.Manifest(of); err != nil {
			return report, err
		}
		report.With = common
	}
	byName, excluded := map[string]manifest.Set{}, map[string]func(path string) bool{}
	for _, set := range newest.Sets {
		byName[set.Data.Name], excluded[set.Data.Name] = set, set.Data.Spec.Excludes().Matcher().Excludes
	}
	for _, f := range one.Files {
		set := byName[f.Data]
		if _, has := e.sources.Rower(set.Data); has && !f.Deleted {
			report.Databases = append(report.Databases, f.Data)
		}
		report.Files = append(report.Files, evidence(f, set.Listing, !set.IsZero() && !excluded[f.Data](f.Path)))
	}
	report.Databases = slices.Compact(report.Databases) // the files are listed by their data
	return report, nil
}

// evidence compares one file of a copy with what the other side has, if that is known.
func evidence(f kept.DivergedFile, newest manifest.Listing, known bool) kept.Evidence {
	e := kept.Evidence{Data: f.Data, Path: f.Path, Was: f.Was, There: kept.Unknown, Now: manifest.Version(newest, f.Path)}
	earlier := f.Hash == "" && f.Was == nil // an earlier version made the copy
	if !f.Deleted {
		e.Copy = &kept.FileVersion{Size: f.Size, ModTime: f.ModTime, Hash: f.Hash}
	}
	switch e.Here = changed(f.Was, e.Copy); {
	case earlier && f.Deleted:
		e.Here = kept.Removed
	case earlier:
		e.Here = kept.Changed
	case known:
		e.There = changed(f.Was, e.Now)
	}
	e.Same = known && e.Now != nil && e.Copy != nil && e.Now.Hash == e.Copy.Hash
	return e
}

// changed tells what became of a file.
func changed(was, is *kept.FileVersion) kept.Change {
	switch {
	case was == nil && is == nil:
		return kept.Unchanged
	case was == nil:
		return kept.Made
	case is == nil:
		return kept.Removed
	case was.Size != is.Size || was.Hash != is.Hash || !was.ModTime.Equal(is.ModTime):
		return kept.Changed
	}
	return kept.Unchanged
}

// rowsWait is how long a person waits for the rows of the databases in a diverged copy.
const rowsWait = 20 * time.Second

// Rows tells by which rows the databases in a diverged copy differ from those that are here now, to one who asks at a time.
func (e *Engine) Rows(ctx context.Context, id string) ([]kept.DatabaseDifference, error) {
	one, err := e.Diverged.One(id)
	if err != nil {
		return nil, err
	}
	folder, err := e.Diverged.Path(id)
	if err != nil {
		return nil, err
	}
	defined, err := e.sources.Data(ctx)
	if err != nil {
		return nil, err
	}
	if !e.rows.TryLock() {
		return nil, pair.Refuse(pair.TooMany, "the rows of a diverged copy are being compared already: try again in a moment")
	}
	defer e.rows.Unlock()
	ctx, cancel := context.WithTimeout(ctx, rowsWait)
	defer cancel()
	all := []kept.DatabaseDifference{}
	for _, data := range defined {
		if !slices.ContainsFunc(one.Files, func(f kept.DivergedFile) bool { return f.Data == data.Name && !f.Deleted }) {
			continue
		}
		of, has := e.sources.Rower(data)
		if !has {
			continue
		}
		found := kept.DatabaseDifference{Data: data.Name}
		if found.Tables, err = of.Rows(ctx, data, folder); err != nil {
			found.Problem = err.Error()
		}
		all = append(all, found)
	}
	return all, nil
}
