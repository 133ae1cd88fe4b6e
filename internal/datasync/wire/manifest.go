package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// Bounds of what a manifest stream may make the backup hold.
const (
	maxInline   = 256 << 20 // bytes of what travels inline
	maxManifest = 8 << 30   // bytes of entries, 400 each for the most that are allowed

	heldAnyway  = 128 << 20 // bytes that a manifest may take in memory, however little came over the wire
	heldPerByte = 64        // and by each byte that came, besides: an entry of the fewest bytes takes some 25
	entryTakes  = 400       // bytes of memory, besides what its path and attributes are long
)

// ErrSwollen means that a stream unpacks to far more than came over the wire.
var ErrSwollen = errors.New("swollen stream")

// Batches writes items of a set in frames of about a Chunk.
func Batches[T any](out *Writer, kind Kind, set int, items []T, appendItem func([]byte, T) []byte) error {
	head := binary.AppendUvarint(nil, uint64(set)) //nolint:gosec // never negative
	batch := append([]byte(nil), head...)
	for _, item := range items {
		batch = appendItem(batch, item)
		if len(batch) < Chunk {
			continue
		}
		if err := out.Frame(kind, batch); err != nil {
			return err
		}
		batch = append(batch[:0], head...)
	}
	if len(batch) == len(head) {
		return nil
	}
	return out.Frame(kind, batch)
}

// Deltas writes what a receiver that knows base needs to know m.
func Deltas(out *Writer, base, m manifest.Manifest) error {
	for i, set := range m.Listed() {
		difference, appendChange := manifest.Difference, manifest.AppendChange
		if m.Order == manifest.ByBytes {
			difference = manifest.Flat
			appendChange = func(b []byte, c manifest.Change) []byte { return manifest.AppendEntry(b, c.Entry) }
		}
		delta := difference(base.Find(set.Data).Listing, set.Listing)
		if err := Batches(out, Removed, i, delta.Removed, manifest.AppendString); err != nil {
			return err
		}
		if err := Batches(out, Entries, i, delta.Set, appendChange); err != nil {
			return err
		}
	}
	return nil
}

// ManifestReader collects a manifest stream.
type ManifestReader struct {
	Inline bytes.Buffer // what travels inline

	head   Header
	deltas []manifest.Delta
	bytes  int64
	items  int64 // entries and removed paths
	held   int64 // bytes of memory that it takes, at most
}

// NewManifestReader returns a reader of what follows a header.
func NewManifestReader(head Header) *ManifestReader {
	return &ManifestReader{head: head, deltas: make([]manifest.Delta, len(head.Data))}
}

// Read reads a stream, after its header, to its end.
func (m *ManifestReader) Read(in *Reader) error {
	for {
		kind, payload, err := in.Next()
		if err != nil {
			return err
		}
		m.bytes += int64(len(payload))
		m.held += int64(len(payload))
		switch kind {
		case Entries, Removed:
			err = m.delta(kind, payload)
		case Inline:
			_, _ = m.Inline.Write(payload)    // never fails
			m.held += 2 * int64(len(payload)) // it grows by being copied
		case End:
			return nil
		case Alive, Head, Data, Hole, Restart, Done, Gone, Failed, Same, Sums:
			err = Unsafe("a frame out of place")
		default:
			err = Unsafe("a frame of unknown kind")
		}
		if err == nil {
			err = m.check(in.came)
		}
		if err != nil {
			return err
		}
	}
}

// check bounds what the stream makes this appliance hold, by what came over the wire.
func (m *ManifestReader) check(came int64) error {
	if m.Inline.Len() > maxInline || m.bytes > maxManifest || m.items > manifest.MaxEntries {
		return Unsafe("more than a manifest may have")
	}
	if m.held > heldAnyway+heldPerByte*came {
		why := Unsafe(fmt.Sprintf("a manifest that takes more than %s of memory, in %s", pair.BytesText(m.held), pair.BytesText(came)))
		return &pair.Refusal{Code: pair.Failed, Text: why.Error(), Cause: errors.Join(source.ErrUnsafe, ErrSwollen)}
	}
	return nil
}

// count notes what an entry takes.
func (m *ManifestReader) count(xattrs int) error {
	m.items++
	m.held += entryTakes + int64(xattrs)*64
	if m.items > manifest.MaxEntries {
		return Unsafe("more than a manifest may have")
	}
	return nil
}

func (m *ManifestReader) delta(kind Kind, payload []byte) error {
	d := manifest.NewDecoder(payload)
	set := d.Uvarint()
	if d.Failed() || set >= uint64(len(m.deltas)) {
		return Unsafe("entries of unknown data")
	}
	if kind == Removed {
		return m.removed(&m.deltas[set], d)
	}
	return m.entries(&m.deltas[set], d)
}

func (m *ManifestReader) removed(delta *manifest.Delta, d *manifest.Decoder) error {
	for len(d.Rest()) > 0 {
		delta.Removed = append(delta.Removed, d.String(pair.MaxPath))
		if d.Failed() {
			return Unsafe("a path that cannot be read")
		}
		if err := m.count(0); err != nil {
			return err
		}
	}
	return nil
}

func (m *ManifestReader) entries(delta *manifest.Delta, d *manifest.Decoder) error {
	for len(d.Rest()) > 0 {
		c, rest, err := m.change(d.Rest())
		if err != nil {
			return Unsafe(err.Error())
		}
		if n := len(delta.Set); n > 0 && m.compare(delta.Set[n-1].Path, c.Path) >= 0 {
			return Unsafe("entries out of order")
		}
		if err := m.count(len(c.XAttrs)); err != nil {
			return err
		}
		delta.Set = append(delta.Set, c)
		d = manifest.NewDecoder(rest)
	}
	return nil
}

// change reads one change. The previous version does not say what was renamed.
func (m *ManifestReader) change(b []byte) (manifest.Change, []byte, error) {
	if Order(m.head.Version) == manifest.ByBranch {
		return manifest.ReadChange(b)
	}
	e, rest, err := manifest.ReadEntry(b)
	return manifest.Change{Entry: e}, rest, err
}

func (m *ManifestReader) compare(a, b string) int {
	if Order(m.head.Version) == manifest.ByBranch {
		return manifest.ComparePaths(a, b)
	}
	return manifest.CompareBytes(a, b)
}

// Manifest puts the manifest together and accepts it only if it is safe and is
// what the header promised.
func (m *ManifestReader) Manifest(base manifest.Manifest) (manifest.Manifest, error) {
	if m.head.Base == (manifest.Digest{}) {
		base = manifest.Manifest{}
	}
	whole := manifest.Manifest{Scheme: m.head.Scheme, Order: Order(m.head.Version)}
	for i, head := range m.head.Data {
		spec, err := pair.ParseSpec(head.Kind, head.Spec)
		if err != nil {
			return manifest.Manifest{}, Unsafe("a manifest that is refused (" + err.Error() + ")")
		}
		data := pair.Data{Name: head.Name, Spec: spec}
		delta := m.deltas[i]
		if whole.Order == manifest.ByBytes {
			delta = manifest.FromFlat(delta)
		}
		listing, err := manifest.Patch(base.Find(data).Listing, delta)
		if err != nil {
			return manifest.Manifest{}, Unsafe("a manifest that is refused (" + err.Error() + ")")
		}
		whole.Sets = append(whole.Sets, manifest.Set{Data: data, Listing: listing})
	}
	if whole.Digest() != m.head.Digest {
		return manifest.Manifest{}, Unsafe("a manifest that does not match its digest")
	}
	return whole, nil
}
