package manifest

import (
	"encoding/binary"
	"errors"
	"fmt"

	"baton/internal/pair"
)

// ErrMalformed means that bytes are no entry.
var ErrMalformed = errors.New("malformed entry")

// AppendEntry appends the entry's byte form: uvarints and length-prefixed strings.
func AppendEntry(b []byte, e Entry) []byte {
	b = appendNamed(b, e.Path, e)
	return binary.AppendUvarint(b, uint64(max(e.Alloc, 0)))
}

// appendNamed appends all that makes the entry what it is, under a name: digests are over this.
func appendNamed(b []byte, name string, e Entry) []byte {
	b = append(b, byte(e.Kind))
	b = AppendString(b, name)
	b = binary.AppendUvarint(b, uint64(e.Mode))
	b = binary.AppendUvarint(b, uint64(e.UID))
	b = binary.AppendUvarint(b, uint64(e.GID))
	b = binary.AppendVarint(b, e.ModTime)
	switch e.Kind {
	case File:
		b = binary.AppendUvarint(b, uint64(e.Size)) //nolint:gosec // never negative
		b = append(b, e.Hash[:]...)
	case Symlink, Link:
		b = AppendString(b, e.Target)
	case Blob:
		b = append(b, e.Hash[:]...)
	case Dir, Fifo:
	}
	b = binary.AppendUvarint(b, uint64(len(e.XAttrs)))
	for _, x := range e.XAttrs {
		b = AppendString(b, x.Name)
		b = AppendString(b, x.Value)
	}
	return b
}

// AppendString appends the length of s, then s.
func AppendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// ReadEntry decodes one entry from the front of b and returns the rest. It
// refuses entries beyond the limits, and paths that could lead out of the data.
func ReadEntry(b []byte) (Entry, []byte, error) {
	d := NewDecoder(b)
	e := d.identity()
	e.Alloc = int64(min(d.Uvarint(), MaxSize))
	if d.Failed() || e.Kind == Blob { // that is not listed
		return Entry{}, nil, ErrMalformed
	}
	return e, d.Rest(), e.Check()
}

// AppendChange appends the byte form of a change, without its note.
func AppendChange(b []byte, c Change) []byte { return AppendString(AppendEntry(b, c.Entry), c.From) }

// ReadChange decodes one change from the front of b and returns the rest, as ReadEntry does.
func ReadChange(b []byte) (Change, []byte, error) {
	e, rest, err := ReadEntry(b)
	if err != nil {
		return Change{}, nil, err
	}
	d := NewDecoder(rest)
	c := Change{Entry: e, From: d.String(pair.MaxPath)}
	if d.Failed() {
		return Change{}, nil, ErrMalformed
	}
	return c, d.Rest(), nil
}

// identity reads what appendNamed wrote. An entry of an unknown kind cannot be read.
func (d *Decoder) identity() Entry {
	e := Entry{Kind: Kind(d.Byte()), Path: d.String(pair.MaxPath)}
	e.Mode, e.UID, e.GID = d.uint32(), d.uint32(), d.uint32()
	e.ModTime = d.Varint()
	switch e.Kind {
	case File:
		e.Size = int64(min(d.Uvarint(), MaxSize+1))
		copy(e.Hash[:], d.Bytes(len(e.Hash)))
	case Symlink:
		e.Target = d.String(MaxTarget)
	case Link:
		e.Target = d.String(pair.MaxPath)
	case Blob:
		copy(e.Hash[:], d.Bytes(len(e.Hash)))
	case Dir, Fifo:
	default:
		d.bad = true
	}
	e.XAttrs = d.xattrs()
	return e
}

// Check refuses an entry that no scan could have found.
func (e Entry) Check() error {
	if err := pair.CheckRelative(e.Path); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if e.Kind == Link {
		if err := pair.CheckRelative(e.Target); err != nil {
			return fmt.Errorf("%w: target of %q: %w", ErrMalformed, e.Path, err)
		}
	}
	if e.Mode > 0o7777 || e.Size > MaxSize || e.Size < 0 || (e.Path == "." && e.Kind != Dir && e.Kind != Blob) {
		return fmt.Errorf("%w: mode or size of %q is impossible", ErrMalformed, e.Path)
	}
	return nil
}

// Decoder reads the byte forms of this package. After a failure it yields zero
// values and Failed reports true.
type Decoder struct {
	b   []byte
	bad bool
}

// NewDecoder returns a decoder of b.
func NewDecoder(b []byte) *Decoder { return &Decoder{b: b} }

// Failed reports whether something could not be read.
func (d *Decoder) Failed() bool { return d.bad }

// Rest returns what has not been read.
func (d *Decoder) Rest() []byte { return d.b }

// Bytes returns the next n bytes, not copied.
func (d *Decoder) Bytes(n int) []byte {
	if d.bad || n > len(d.b) {
		d.bad = true
		return nil
	}
	taken := d.b[:n]
	d.b = d.b[n:]
	return taken
}

// Byte returns the next byte.
func (d *Decoder) Byte() byte {
	if b := d.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Uvarint returns the next unsigned number.
func (d *Decoder) Uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// Varint returns the next signed number.
func (d *Decoder) Varint() int64 {
	v, n := binary.Varint(d.b)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

// String returns the next string of at most limit bytes.
func (d *Decoder) String(limit int) string {
	n := d.Uvarint()
	if n > uint64(limit) { //nolint:gosec // limits are positive constants
		d.bad = true
		return ""
	}
	return string(d.Bytes(int(n))) //nolint:gosec // bounded by limit
}

func (d *Decoder) uint32() uint32 {
	v := d.Uvarint()
	if v > 1<<32-1 {
		d.bad = true
		return 0
	}
	return uint32(v)
}

func (d *Decoder) xattrs() []XAttr {
	n, held := d.Uvarint(), 0
	if n > MaxXAttrs/2 {
		d.bad = true
	}
	var xattrs []XAttr
	for range n {
		x := XAttr{Name: d.String(pair.MaxName), Value: d.String(64 << 10)}
		held += len(x.Name) + len(x.Value)
		if d.bad || held > MaxXAttrs || x.Name == "" || (len(xattrs) > 0 && xattrs[len(xattrs)-1].Name >= x.Name) {
			d.bad = true
			return nil
		}
		xattrs = append(xattrs, x)
	}
	return xattrs
}
