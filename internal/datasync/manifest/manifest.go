package manifest

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/zeebo/blake3"

	"baton/internal/pair"
)

// Limits of one manifest.
const (
	MaxEntries = 20_000_000 // of all its sets together
	MaxSets    = 256        // pieces of protected data
)

// Digest is the BLAKE3 hash of what a manifest lists: equal digests, equal data.
type Digest [32]byte

// String returns the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(d) {
		return errors.New("a digest has 64 hexadecimal digits")
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return fmt.Errorf("read digest: %w", err)
	}
	return nil
}

// Set is one piece of protected data with all its entries, sorted by path.
type Set struct {
	Data    pair.Data
	Entries []Entry
}

// Files returns how many files the set holds, further names not counted, and their bytes.
func (s Set) Files() (files, bytes int64) {
	for _, e := range s.Entries {
		if e.Kind == File {
			files++
			bytes += e.Size
		}
	}
	return files, bytes
}

// Manifest is the state of all protected data at one moment.
type Manifest struct {
	Sets   []Set
	Scheme Scheme // by which the content is hashed
}

// Listed returns the sets that are listed entry by entry.
func (m Manifest) Listed() []Set {
	return slices.DeleteFunc(slices.Clone(m.Sets), Set.inline)
}

// Inline returns the hash of what travels with the manifest; zero: nothing does.
func (m Manifest) Inline() Digest {
	for _, s := range m.Sets {
		if s.inline() {
			return Digest(s.Entries[0].Hash)
		}
	}
	return Digest{}
}

// InlineSet is the set of data that travels with the manifest; it is the last.
func InlineSet(data pair.Data, hash Digest) Set {
	return Set{Data: data, Entries: []Entry{{Path: ".", Kind: Blob, Hash: Hash(hash)}}}
}

func (s Set) inline() bool { return len(s.Entries) == 1 && s.Entries[0].Kind == Blob }

// Find returns the set of the same name and spec, or an empty one.
func (m Manifest) Find(data pair.Data) Set {
	for _, s := range m.Sets {
		if s.Data == data {
			return s
		}
	}
	return Set{Data: data}
}

// Digest returns the digest of what is listed.
func (m Manifest) Digest() Digest {
	h := blake3.New()
	var b []byte
	for _, s := range m.Listed() {
		b = appendHead(b[:0], s)
		_, _ = h.Write(b) // never fails
		for _, e := range s.Entries {
			b = appendIdentity(b[:0], e)
			_, _ = h.Write(b)
		}
	}
	var d Digest
	h.Sum(d[:0])
	return d
}

func appendHead(b []byte, s Set) []byte {
	b = AppendString(b, s.Data.Name)
	b = AppendString(b, string(s.Data.Spec.Kind()))
	b = AppendString(b, s.Data.Spec.String())
	return binary.AppendUvarint(b, uint64(len(s.Entries)))
}

// Append appends the byte form of what the manifest lists, which ReadManifest reads.
func (m Manifest) Append(b []byte) []byte {
	listed := m.Listed()
	b = binary.AppendUvarint(b, uint64(len(listed))+schemeUnit*uint64(m.Scheme))
	for _, s := range listed {
		b = appendHead(b, s)
		for _, e := range s.Entries {
			b = AppendEntry(b, e)
		}
	}
	return b
}

// schemeUnit is what a scheme adds to the number of sets, at the front of the byte form.
const schemeUnit = 1 << 16

// ReadManifest reads what Append wrote. It is to be checked.
func ReadManifest(b []byte) (Manifest, error) {
	d := NewDecoder(b)
	first := d.Uvarint()
	if first/schemeUnit > uint64(Newest) || first%schemeUnit > MaxSets {
		return Manifest{}, ErrMalformed
	}
	m := Manifest{Scheme: Scheme(first / schemeUnit)}
	for range first % schemeUnit {
		s := Set{Data: pair.Data{Name: d.String(pair.MaxPath)}}
		var err error
		if s.Data.Spec, err = pair.ParseSpec(pair.DataKind(d.String(pair.MaxName)), d.String(pair.MaxPath)); err != nil {
			return Manifest{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		n := d.Uvarint()
		if d.Failed() || n > uint64(len(d.Rest())) { // an entry has more than one byte
			return Manifest{}, ErrMalformed
		}
		s.Entries = make([]Entry, 0, n)
		for range n {
			e, rest, err := ReadEntry(d.Rest())
			if err != nil {
				return Manifest{}, err
			}
			s.Entries = append(s.Entries, e)
			d = NewDecoder(rest)
		}
		m.Sets = append(m.Sets, s)
	}
	if d.Failed() || len(d.Rest()) > 0 {
		return Manifest{}, ErrMalformed
	}
	return m, nil
}

// Check refuses a manifest that could not come from a scan: too much of anything, the
// same data twice, entries out of order, and what the check of a set's kind refuses.
func (m Manifest) Check(check func(Set) error) error {
	if len(m.Sets) > MaxSets {
		return fmt.Errorf("%w: %d pieces of protected data", ErrMalformed, len(m.Sets))
	}
	names, entries := map[string]bool{}, 0
	for i, s := range m.Sets {
		if entries += len(s.Entries); entries > MaxEntries {
			return fmt.Errorf("%w: too many entries", ErrMalformed)
		}
		if names[s.Data.Name] {
			return fmt.Errorf("%w: protected data %q is listed twice", ErrMalformed, s.Data.Name)
		}
		names[s.Data.Name] = true
		for _, other := range m.Sets[:i] {
			if other.Data.Spec.Overlaps(s.Data.Spec) {
				return fmt.Errorf("%w: protected data %q and %q overlap", ErrMalformed, other.Data.Spec, s.Data.Spec)
			}
		}
		if err := s.check(check); err != nil {
			return fmt.Errorf("protected data %q: %w", s.Data.Name, err)
		}
	}
	return nil
}

func (s Set) check(check func(Set) error) error {
	if err := s.Data.Spec.Check(); err != nil {
		return err
	}
	for i, e := range s.Entries {
		if err := e.check(); err != nil {
			return err
		}
		if i > 0 && ComparePaths(s.Entries[i-1].Path, e.Path) >= 0 {
			return fmt.Errorf("%w: %q is out of order", ErrMalformed, e.Path)
		}
	}
	return check(s)
}
