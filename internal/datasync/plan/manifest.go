package plan

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/zeebo/blake3"

	"baton/internal/pair"
)

// Limits of one manifest.
const (
	MaxEntries = 20_000_000 // of all its sets together
	MaxSets    = 256        // pieces of protected data
)

// Digest is the BLAKE3 hash of a manifest: equal digests, equal data.
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

// Find returns the set of the same name, kind and path, or an empty one.
func (m Manifest) Find(data pair.Data) Set {
	for _, s := range m.Sets {
		if s.Data == data {
			return s
		}
	}
	return Set{Data: data}
}

// Digest returns the manifest's digest.
func (m Manifest) Digest() Digest {
	h := blake3.New()
	var b []byte
	for _, s := range m.Sets {
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

// Append appends the manifest's byte form, which ReadManifest reads.
func (m Manifest) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(m.Sets))+schemeUnit*uint64(m.Scheme))
	for _, s := range m.Sets {
		b = appendHead(b, s)
		for _, e := range s.Entries {
			b = AppendEntry(b, e)
		}
	}
	return b
}

// schemeUnit is what a scheme adds to the number of sets, at the front of the byte form.
const schemeUnit = 1 << 16

// ReadManifest reads what Append wrote and validates it.
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
	return m, m.Validate()
}

// Validate refuses a manifest that could not come from a scan: unsafe places,
// paths out of order, a name below something that is no directory, a further
// name of something that is no file.
func (m Manifest) Validate() error {
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
		if err := CheckData(s.Data); err != nil {
			return err
		}
		for _, other := range m.Sets[:i] {
			if other.Data.Spec.Overlaps(s.Data.Spec) {
				return fmt.Errorf("%w: protected directories %q and %q overlap", ErrMalformed, other.Data.Spec, s.Data.Spec)
			}
		}
		if err := s.validate(); err != nil {
			return fmt.Errorf("protected data %q: %w", s.Data.Name, err)
		}
	}
	return nil
}

func (s Set) validate() error {
	if len(s.Entries) == 0 || s.Entries[0].Path != "." {
		return fmt.Errorf("%w: the directory itself is missing", ErrMalformed)
	}
	kinds := make(map[string]Kind, len(s.Entries))
	for i, e := range s.Entries {
		if err := e.check(); err != nil {
			return err
		}
		if i > 0 && ComparePaths(s.Entries[i-1].Path, e.Path) >= 0 {
			return fmt.Errorf("%w: %q is out of order", ErrMalformed, e.Path)
		}
		if i > 0 && kinds[Parent(e.Path)] != Dir {
			return fmt.Errorf("%w: %q is not in a directory", ErrMalformed, e.Path)
		}
		if e.Kind == Link && kinds[e.Target] != File {
			return fmt.Errorf("%w: %q is another name of no file", ErrMalformed, e.Path)
		}
		kinds[e.Path] = e.Kind
	}
	return nil
}

// CheckData refuses protected data that must not be replaced by a peer's: a path that
// is not plain, or that belongs to the system.
func CheckData(d pair.Data) error {
	if err := d.Spec.Check(); err != nil {
		return fmt.Errorf("protected data %q: %w", d.Name, err)
	}
	return nil
}

// Loss says how a data set shrank.
type Loss struct {
	Name                  string
	Kind                  LossKind
	FilesBefore, FilesNow int64
	BytesBefore, BytesNow int64
	NamesBefore           int64 // files, symlinks, pipes and further names
	NamesGone             int64 // of these
}

// LossKind says which rule a loss breaks.
type LossKind uint8

// The rules.
const (
	NoLoss  LossKind = iota
	Emptied          // every file of more than two is gone
	Moved            // more than half of the names are gone, and the file system is another
	Shrunk           // more than half of the files or bytes are gone, of more than a few files
)

const (
	trivialFiles = 10 // up to so many, a loss is everyday business
	fewFiles     = 2  // up to so many, so is losing them all
)

// Losses returns the data that lost so much since before that a disk may be
// missing. Moved says whose file system is another than it was then; that alone
// is no loss.
func Losses(before, now Manifest, moved func(pair.Data) bool) []Loss {
	var losses []Loss
	for _, s := range now.Sets {
		l := Loss{Name: s.Data.Name}
		was := before.Find(s.Data)
		l.FilesBefore, l.BytesBefore = was.Files()
		l.FilesNow, l.BytesNow = s.Files()
		l.NamesBefore, l.NamesGone = vanished(was.Entries, s.Entries)
		switch {
		case l.FilesBefore > fewFiles && l.FilesNow == 0:
			l.Kind = Emptied
		case 2*l.NamesGone > l.NamesBefore && moved(s.Data):
			l.Kind = Moved
		case l.FilesBefore > trivialFiles && (2*l.FilesNow < l.FilesBefore || 2*l.BytesNow < l.BytesBefore):
			l.Kind = Shrunk
		default:
			continue
		}
		losses = append(losses, l)
	}
	return losses
}

// vanished counts names, directories apart, and those of them that are gone.
func vanished(before, now []Entry) (names, gone int64) {
	count := func(e Entry, to *int64) {
		if e.Kind != Dir {
			*to++
		}
	}
	walkBoth(
		before, now,
		func(e Entry) { count(e, &names); count(e, &gone) },
		func(Entry) {},
		func(e, _ Entry) { count(e, &names) },
	)
	return names, gone
}
