package tree

import (
	"encoding/binary"
	"errors"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/manifest"
)

// Known is what the index remembers of one file: as long as the stamp is the
// same, so is the content.
type Known struct {
	Stamp  Stamp
	Racy   bool // hashed too soon after a change to be trusted
	Hash   manifest.Hash
	XAttrs []manifest.XAttr
}

// Index remembers the files of one tree by path, so that each is read once. It
// is a cache: losing it costs reading, never correctness.
type Index map[string]Known

// lookup returns what is known of an unchanged file.
func (x Index) lookup(path string, s Stamp) (Known, bool) {
	k, ok := x[path]
	return k, ok && !k.Racy && k.Stamp.unchanged(s)
}

// In returns what is known by one scheme of what was hashed by another.
func (x Index) In(scheme, was manifest.Scheme) Index {
	if scheme == was {
		return x
	}
	same := make(Index, len(x))
	for path, k := range x {
		if !manifest.Differs(k.Stamp.Size) {
			same[path] = k
		}
	}
	return same
}

// Append appends the index's byte form, closed by its BLAKE3 hash.
func (x Index) Append(b []byte) []byte {
	start := len(b)
	b = binary.AppendUvarint(b, uint64(len(x)))
	for path, k := range x {
		e := k.Stamp.entry(path)
		e.Kind, e.Size, e.Hash, e.XAttrs = manifest.File, k.Stamp.Size, k.Hash, k.XAttrs
		b = manifest.AppendEntry(b, e)
		b = binary.AppendUvarint(b, k.Stamp.Ino)
		b = binary.AppendVarint(b, k.Stamp.CTime)
		b = binary.AppendUvarint(b, uint64(k.Stamp.Mode))
		if k.Racy {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	sum := blake3.Sum256(b[start:])
	return append(b, sum[:]...)
}

// ReadIndex reads what Append wrote.
func ReadIndex(b []byte) (Index, error) {
	damaged := errors.New("index is damaged")
	if len(b) < 32 {
		return nil, damaged
	}
	body := b[:len(b)-32]
	if blake3.Sum256(body) != [32]byte(b[len(body):]) {
		return nil, damaged
	}
	d := manifest.NewDecoder(body)
	n := d.Uvarint()
	x := make(Index, min(n, uint64(len(body)/32)))
	for range n {
		e, rest, err := manifest.ReadEntry(d.Rest())
		if err != nil {
			return nil, err
		}
		d = manifest.NewDecoder(rest)
		k := Known{Hash: e.Hash, XAttrs: e.XAttrs, Stamp: Stamp{Size: e.Size, Alloc: e.Alloc, ModTime: e.ModTime, UID: e.UID, GID: e.GID}}
		k.Stamp.Ino, k.Stamp.CTime = d.Uvarint(), d.Varint()
		k.Stamp.Mode = uint32(d.Uvarint()) //nolint:gosec // as written
		k.Racy = d.Byte() == 1
		x[e.Path] = k
	}
	if d.Failed() {
		return nil, damaged
	}
	return x, nil
}
