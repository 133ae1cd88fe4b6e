package protected

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// Sources open the protected data of this appliance.
type Sources struct {
	kinds   map[pair.DataKind]source.Kind
	defined func(ctx context.Context) ([]pair.Data, error)
	Inline  pair.Data // protected always, see source.Kind.Always; the zero value: nothing is
}

// New returns the sources of some kinds. Defined returns the protected data as now defined, besides what a
// Kind protects always.
func New(kinds map[pair.DataKind]source.Kind, defined func(ctx context.Context) ([]pair.Data, error)) (Sources, error) {
	s := Sources{kinds: kinds, defined: defined}
	for _, kind := range kinds {
		always := kind.Always()
		switch {
		case always.Spec == nil:
		case s.Inline.Spec != nil:
			return Sources{}, fmt.Errorf("both %s and %s are to be protected always, and only one kind of data can be", s.Inline.Spec, always.Spec)
		default:
			s.Inline = always
		}
	}
	return s, nil
}

// Kind returns the kind of a piece of data.
func (s Sources) Kind(d pair.Data) (source.Kind, error) {
	kind, ok := s.kinds[d.Spec.Kind()]
	if !ok {
		return nil, source.Sentence(source.ErrUnsafe, "Protected data %q is of kind %q, which this version does not sync: update this appliance.", d.Name, string(d.Spec.Kind()))
	}
	return kind, nil
}

// Rower returns the kind of some data, if it has rows.
func (s Sources) Rower(d pair.Data) (of source.Rower, has bool) {
	if d.Spec == nil {
		return nil, false
	}
	kind, err := s.Kind(d)
	if err == nil {
		of, has = kind.(source.Rower)
	}
	return of, has
}

// Check refuses a set that is not safe to be put into place.
func (s Sources) Check(set manifest.Set) error {
	kind, err := s.Kind(set.Data)
	if err != nil {
		return err
	}
	return kind.Check(set)
}

// Open opens one piece of data for a purpose.
func (s Sources) Open(d pair.Data, purpose source.Purpose) (source.Source, error) {
	kind, err := s.Kind(d)
	if err != nil {
		return nil, err
	}
	return kind.Open(d, purpose)
}

// Scan scans one piece of data. Last tells what the peer has, for files that keep changing; nil: there may be none.
func (s Sources) Scan(ctx context.Context, d pair.Data, scheme manifest.Scheme, purpose source.Purpose, last func() (manifest.Manifest, bool)) (source.Scan, error) {
	src, err := s.Open(d, purpose)
	if err != nil {
		return source.Scan{}, err
	}
	if last != nil {
		src.Keep(func() (manifest.Set, bool) {
			m, known := last()
			return m.Find(d), known
		})
	}
	scan, err := src.Scan(ctx, scheme)
	scan.Name = src.String()
	if scan.Spec == nil {
		scan.Spec = d.Spec
	}
	return scan, errors.Join(err, src.Close())
}

// Agreed hands the kinds what both appliances now have.
func (s Sources) Agreed(m manifest.Manifest) {
	for _, set := range m.Sets {
		if kind, err := s.Kind(set.Data); err == nil {
			kind.Agreed(set.Data, set.Listing)
		}
	}
}

// Data returns the protected data, checked and in order of name; what travels
// inline is the last.
func (s Sources) Data(ctx context.Context) ([]pair.Data, error) {
	data, err := s.defined(ctx)
	if err != nil {
		return nil, fmt.Errorf("read protected data: %w", err)
	}
	slices.SortFunc(data, func(a, b pair.Data) int { return cmp.Compare(a.Name, b.Name) })
	for i, d := range data {
		if err := d.Spec.Check(); err != nil {
			return nil, source.Sentence(source.ErrUnsafe, "Protected data %q: %v.", d.Name, err)
		}
		for _, other := range data[:i] {
			if other.Spec.Overlaps(d.Spec) {
				return nil, source.Sentence(source.ErrUnsafe, "Protected data %s and %s overlap: protect the outer one only.", other.Spec, d.Spec)
			}
		}
	}
	return s.WithInline(data), nil
}

// With adds to some data what else is protected here as now defined, as far as that can be read.
func (s Sources) With(ctx context.Context, some []pair.Data) []pair.Data {
	all := slices.Clone(some)
	defined, err := s.Data(ctx)
	for _, d := range defined {
		if err == nil && !slices.ContainsFunc(all, d.Same) {
			all = append(all, d)
		}
	}
	return all
}

// WithInline adds what travels inline, as the last.
func (s Sources) WithInline(data []pair.Data) []pair.Data {
	if s.Inline.Spec != nil {
		data = append(data, s.Inline)
	}
	return data
}

// Apart refuses a place that is really one of the others, or in one, or around it.
func Apart(others []source.Place, place source.Place) error {
	for _, other := range others {
		if err := other.Apart(place); err != nil {
			return err
		}
	}
	return nil
}
