package datasync

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

// sources opens the data of this appliance.
type sources struct {
	kinds   map[pair.DataKind]source.Kind
	defined func(ctx context.Context) ([]pair.Data, error)
	inline  pair.Data // protected always, see source.Kind.Always; the zero value: nothing is
}

func newSources(opt Options) (sources, error) {
	s := sources{kinds: opt.Kinds, defined: opt.Data}
	for _, kind := range opt.Kinds {
		always := kind.Always()
		switch {
		case always.Spec == nil:
		case s.inline.Spec != nil:
			return sources{}, fmt.Errorf("both %s and %s are to be protected always, and only one kind of data can be", s.inline.Spec, always.Spec)
		default:
			s.inline = always
		}
	}
	return s, nil
}

// kind returns the kind of a piece of data.
func (s sources) kind(d pair.Data) (source.Kind, error) {
	kind, ok := s.kinds[d.Spec.Kind()]
	if !ok {
		return nil, source.Sentence(source.ErrUnsafe, "Protected data %q is of kind %q, which this version does not sync: update this appliance.", d.Name, string(d.Spec.Kind()))
	}
	return kind, nil
}

// check refuses a set that is not safe to be put into place.
func (s sources) check(set manifest.Set) error {
	kind, err := s.kind(set.Data)
	if err != nil {
		return err
	}
	return kind.Check(set)
}

func (s sources) open(d pair.Data, purpose source.Purpose) (source.Source, error) {
	kind, err := s.kind(d)
	if err != nil {
		return nil, err
	}
	return kind.Open(d, purpose)
}

// scan scans one piece of data.
func (s sources) scan(ctx context.Context, d pair.Data, scheme manifest.Scheme, purpose source.Purpose) (source.Scan, error) {
	src, err := s.open(d, purpose)
	if err != nil {
		return source.Scan{}, err
	}
	scan, err := src.Scan(ctx, scheme)
	return scan, errors.Join(err, src.Close())
}

// agreed hands the kinds what both appliances now have.
func (s sources) agreed(m manifest.Manifest) {
	for _, set := range m.Sets {
		if kind, err := s.kind(set.Data); err == nil {
			kind.Agreed(set.Data, set.Listing)
		}
	}
}

// protected returns the protected data, checked and in order of name; what travels
// inline is the last.
func (s sources) protected(ctx context.Context) ([]pair.Data, error) {
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
	return s.withInline(data), nil
}

// withInline adds what travels inline, as the last.
func (s sources) withInline(data []pair.Data) []pair.Data {
	if s.inline.Spec != nil {
		data = append(data, s.inline)
	}
	return data
}

// apart refuses a place that is really one of the others, or in one, or around it.
func apart(others []source.Place, place source.Place) error {
	for _, other := range others {
		if err := other.Apart(place); err != nil {
			return err
		}
	}
	return nil
}
