// Package place says where protected data may lie: apart from one another, from the daemon's
// own directories and from the system, on both appliances as far as this one can tell.
//
// Start reading at Rules.
package place

import (
	"errors"
	"slices"

	"baton/internal/pair"
	"baton/internal/pinned"
)

// Rules are those of one appliance.
type Rules struct {
	Self pair.ApplianceID
	Own  []string // directories of the daemon
}

// Taken refuses a spec that overlaps other protected data, or leads to the same here.
func (r Rules) Taken(known []pair.Data, spec pair.Spec) error {
	for _, other := range known {
		if other.Spec.Overlaps(spec) || r.really(other.Spec).Overlaps(r.really(spec)) {
			return pair.Refuse(pair.Refused, "%s overlaps %s, which is protected as %q: name a directory beside it, on both appliances", spec, other.Spec, other.Name).At("path")
		}
	}
	return nil
}

// really returns the spec of what a spec leads to here, as far as that can be known.
func (r Rules) really(spec pair.Spec) pair.Spec {
	switch s := spec.(type) {
	case pair.Directory:
		return pair.Directory{Path: pair.Path(follow(string(s.At(r.Self)))), Exclude: s.Exclude}
	case pair.SQLite:
		return pair.SQLite{Path: pair.Path(follow(string(s.Path)))}
	}
	return spec
}

// Check refuses a spec that cannot be protected, by the field that says so.
func (r Rules) Check(spec pair.Spec) error {
	if database, is := spec.(pair.SQLite); is {
		if err := r.CheckHere(string(database.Path)); err != nil {
			return err
		}
		if err := database.Check(); err != nil {
			return pair.RefuseField("path", "%s", err)
		}
		return nil
	}
	dir, is := spec.(pair.Directory)
	if !is {
		return pair.RefuseField("kind", "this version cannot protect more of kind %q: use dir or sqlite", string(spec.Kind()))
	}
	if err := r.CheckHere(string(dir.At(r.Self))); err != nil {
		return err
	}
	if err := (pair.Directory{Path: dir.Beyond(r.Self)}).Check(); err != nil {
		return pair.RefuseField("peer_path", "%s", err)
	}
	if err := dir.Check(); err != nil {
		return pair.RefuseField("exclude", "%s", err)
	}
	return nil
}

// CheckHere keeps a path away from the daemon's own directories and from the system, also
// where a symbolic link leads there.
func (r Rules) CheckHere(path string) error {
	if _, err := pair.ParsePath(path); err != nil {
		return pair.RefuseField("path", "%s", err)
	}
	real, err := pinned.Resolve(path)
	if link, ok := errors.AsType[*pinned.LinkError](err); ok {
		return pair.RefuseField("path", "%s", link)
	}
	if err != nil {
		real = path
	}
	for _, own := range r.Own {
		if pair.Overlap(path, own) || pair.Overlap(real, own) || pair.Overlap(real, follow(own)) {
			return pair.RefuseField("path", "%s overlaps %s, where baton keeps its own data: name the site's directory", path, own)
		}
	}
	for _, place := range []string{path, real} {
		if err := pair.CheckProtectable(pair.Path(place)); err != nil {
			return pair.RefuseField("path", "%s", err)
		}
	}
	return nil
}

// follow returns the path without links, as far as that can be known.
func follow(path string) string {
	if real, err := pinned.Resolve(path); err == nil {
		return real
	}
	return path
}

// Apart returns protected data so that each directory leaves out the databases in it that are protected by themselves.
func Apart(all []pair.Data) ([]pair.Data, error) {
	all = slices.Clone(all)
	for i := range all {
		dir, is := all[i].Spec.(pair.Directory)
		for _, other := range all {
			if database, also := other.Spec.(pair.SQLite); is && also {
				var err error
				if dir, err = dir.LeavingOut(database); err != nil {
					return nil, pair.RefuseField("exclude", "%s", err)
				}
				all[i].Spec = dir
			}
		}
	}
	return all, nil
}

// Together returns protected data once a piece of it is not protected by itself any more: a directory in which a database lies has it again.
func Together(all []pair.Data, without pair.Spec) ([]pair.Data, error) {
	all = slices.Clone(all)
	database, isDatabase := without.(pair.SQLite)
	for i := range all {
		dir, is := all[i].Spec.(pair.Directory)
		if !is || !isDatabase {
			continue
		}
		dir, err := dir.TakingIn(database)
		if err != nil {
			return nil, pair.RefuseField("exclude", "%s", err)
		}
		all[i].Spec = dir
	}
	return all, nil
}
