package manifest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"baton/internal/pair"
)

// The first number of the byte form is the number of sets, and besides it says by which scheme
// content is hashed, in which order the entries are, and whether what follows is a difference from another manifest,
// whose digest comes first.
const (
	schemeUnit = 1 << 16
	orderUnit  = 1 << 32
	deltaUnit  = 1 << 40
)

// Append appends the byte form of what the manifest lists, which ReadManifest reads.
func (m Manifest) Append(b []byte) []byte {
	listed := m.Listed()
	b = binary.AppendUvarint(b, m.first(listed))
	for _, s := range listed {
		b = binary.AppendUvarint(appendHead(b, s.Data), uint64(s.Sum().Entries)) //nolint:gosec // never negative
		for _, e := range m.Order.entries(s.Listing) {
			b = AppendEntry(b, e)
		}
	}
	return b
}

func (m Manifest) first(listed []Set) uint64 {
	return uint64(len(listed)) + schemeUnit*uint64(m.Scheme) + orderUnit*uint64(m.Order)
}

// AppendDelta appends the byte form of what the manifest lists as a difference from a base, of which
// the digest is known.
func (m Manifest) AppendDelta(b []byte, base Manifest, digest Digest) []byte {
	listed := m.Listed()
	b = binary.AppendUvarint(b, m.first(listed)+deltaUnit)
	b = append(b, digest[:]...)
	for _, s := range listed {
		delta := Difference(base.Find(s.Data).Listing, s.Listing)
		b = binary.AppendUvarint(appendHead(b, s.Data), uint64(len(delta.Removed)))
		for _, path := range delta.Removed {
			b = AppendString(b, path)
		}
		b = binary.AppendUvarint(b, uint64(len(delta.Set)))
		for _, c := range delta.Set {
			b = AppendChange(b, c)
		}
	}
	return b
}

// BaseOf returns the digest of the manifest from which a byte form is a difference; the zero value: it is whole.
func BaseOf(b []byte) (base Digest) {
	d := NewDecoder(b)
	if d.Uvarint() >= deltaUnit {
		copy(base[:], d.Bytes(len(base)))
	}
	return base
}

// entries returns the entries of a listing in this order.
func (o Order) entries(l Listing) []Entry {
	entries := slices.Collect(l.All())
	if o == ByBytes {
		slices.SortFunc(entries, func(a, b Entry) int { return CompareBytes(a.Path, b.Path) })
	}
	return entries
}

// CompareBytes orders paths as ByBytes does.
func CompareBytes(a, b string) int {
	if a == "." || b == "." {
		return compareWhole(a, b)
	}
	return strings.Compare(a, b)
}

// appendFlat appends what the digest of ByBytes is over.
func (l Listing) appendFlat(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(l.Sum().Entries)) //nolint:gosec // never negative
	for _, e := range ByBytes.entries(l) {
		b = appendNamed(b, e.Path, e)
	}
	return b
}

// ReadManifest reads what Append wrote, or AppendDelta, given the base. It is to be checked.
func ReadManifest(b []byte, base Manifest) (Manifest, error) {
	d := NewDecoder(b)
	first := d.Uvarint()
	read := readSet
	if first >= deltaUnit {
		d.Bytes(len(Digest{}))
		read = func(d *Decoder) (Set, error) { return readDelta(d, base) }
	}
	first %= deltaUnit
	order := first / orderUnit
	first %= orderUnit
	if order > uint64(ByBranch) || first/schemeUnit > uint64(Newest) || first%schemeUnit > MaxSets {
		return Manifest{}, ErrMalformed
	}
	m := Manifest{Scheme: Scheme(first / schemeUnit), Order: Order(order)}
	for range first % schemeUnit {
		s, err := read(d)
		if err != nil {
			return Manifest{}, err
		}
		m.Sets = append(m.Sets, s)
	}
	if d.Failed() || len(d.Rest()) > 0 {
		return Manifest{}, ErrMalformed
	}
	return m, nil
}

func readHead(d *Decoder) (s Set, err error) {
	s.Data.Name = d.String(pair.MaxPath)
	if s.Data.Spec, err = pair.ParseSpec(pair.DataKind(d.String(pair.MaxName)), d.String(pair.MaxSpec)); err != nil {
		return s, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return s, nil
}

func readDelta(d *Decoder, base Manifest) (Set, error) {
	s, err := readHead(d)
	if err != nil {
		return s, err
	}
	var delta Delta
	for n := d.Uvarint(); n > 0 && !d.Failed(); n-- {
		delta.Removed = append(delta.Removed, d.String(pair.MaxPath))
	}
	for n := d.Uvarint(); n > 0 && !d.Failed(); n-- {
		c, rest, err := ReadChange(d.Rest())
		if err != nil {
			return s, err
		}
		delta.Set = append(delta.Set, c)
		*d = *NewDecoder(rest)
	}
	if d.Failed() {
		return s, ErrMalformed
	}
	s.Listing, err = Patch(base.Find(s.Data).Listing, delta)
	return s, err
}

func readSet(d *Decoder) (Set, error) {
	s, err := readHead(d)
	if err != nil {
		return s, err
	}
	n := d.Uvarint()
	if d.Failed() || n > uint64(len(d.Rest())) { // an entry has more than one byte
		return s, ErrMalformed
	}
	entries := make([]Entry, 0, n)
	for range n {
		e, rest, err := ReadEntry(d.Rest())
		if err != nil {
			return s, err
		}
		entries = append(entries, e)
		*d = *NewDecoder(rest)
	}
	slices.SortFunc(entries, func(a, b Entry) int { return ComparePaths(a.Path, b.Path) })
	s.Listing, err = ListingOf(entries)
	return s, err
}
