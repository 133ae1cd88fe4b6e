package manifest

import (
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

// Set is one piece of protected data with all that it holds.
type Set struct {
	Listing

	Data pair.Data
}

// Manifest is the state of all protected data at one moment.
type Manifest struct {
	Sets   []Set
	Scheme Scheme // by which the content is hashed
	Order  Order  // by which it is digested
}

// Order says in which order a manifest is listed and digested.
type Order uint8

// The orders.
const (
	ByBytes  Order = iota // of the bytes of whole paths, as the previous version has it
	ByBranch              // of ComparePaths
)

// Listed returns the sets that are listed entry by entry.
func (m Manifest) Listed() []Set {
	return slices.DeleteFunc(slices.Clone(m.Sets), Set.inline)
}

// Inline returns the hash of what travels with the manifest; zero: nothing does.
func (m Manifest) Inline() Digest {
	for _, s := range m.Sets {
		if s.inline() {
			return Digest(s.Whole().Hash)
		}
	}
	return Digest{}
}

// InlineSet is the set of data that travels with the manifest; it is the last.
func InlineSet(data pair.Data, hash Digest) Set {
	return Set{Data: data, Listing: NewListing(Child{Entry: Entry{Kind: Blob, Hash: Hash(hash)}})}
}

func (s Set) inline() bool { return s.Whole().Kind == Blob }

// Find returns the set of the same piece of data, whatever of it was protected then, or an empty one.
func (m Manifest) Find(data pair.Data) Set {
	for _, s := range m.Sets {
		if s.Data.Same(data) {
			return s
		}
	}
	return Set{Data: data}
}

// As returns what of a set is protected by another definition as well: what that excludes is not listed.
func (s Set) As(other pair.Data) Listing {
	excludes := other.Spec.Excludes()
	if s.IsZero() || s.Data.Spec.Excludes() == excludes {
		return s.Listing
	}
	return s.Without(excludes.Matcher().Matches)
}

// Digest returns the digest of what is listed.
func (m Manifest) Digest() Digest {
	h := blake3.New()
	var b []byte
	for _, s := range m.Listed() {
		b = appendHead(b[:0], s.Data)
		if m.Order == ByBranch {
			digest := s.Digest()
			b = append(b, digest[:]...)
		} else {
			b = s.appendFlat(b)
		}
		_, _ = h.Write(b) // never fails
	}
	var d Digest
	h.Sum(d[:0])
	return d
}

func appendHead(b []byte, data pair.Data) []byte {
	b = AppendString(b, data.Name)
	b = AppendString(b, string(data.Spec.Kind()))
	return AppendString(b, data.Spec.Text())
}

// Check refuses a manifest that could not come from a scan: too much of anything, the
// same data twice, an entry that cannot be, and what the check of a set's kind refuses. What it shares with a manifest
// that was checked is not looked at again.
func (m Manifest) Check(known Manifest, check func(Set) error) error {
	if len(m.Sets) > MaxSets {
		return fmt.Errorf("%w: %d pieces of protected data", ErrMalformed, len(m.Sets))
	}
	names, entries := map[string]bool{}, int64(0)
	for i, s := range m.Sets {
		if entries += s.Sum().Entries; entries > MaxEntries {
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
		if err := s.check(known.Find(s.Data).Listing, check); err != nil {
			return fmt.Errorf("protected data %q: %w", s.Data.Name, err)
		}
	}
	return nil
}

func (s Set) check(known Listing, check func(Set) error) error {
	if err := s.Data.Spec.Check(); err != nil {
		return err
	}
	if err := s.Listing.check(known); err != nil {
		return err
	}
	return check(s)
}
