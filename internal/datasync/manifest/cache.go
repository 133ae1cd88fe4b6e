package manifest

import (
	"bytes"
	"encoding/binary"

	"github.com/zeebo/blake3"
)

// AppendCache appends a byte form of the listing with its notes, closed by its BLAKE3 hash, that
// is read at once: for what its owner keeps for himself. It is not checked when it is read.
func (l Listing) AppendCache(b []byte) []byte {
	start := len(b)
	b = l.top.appendCache(b)
	sum := blake3.Sum256(b[start:])
	return append(b, sum[:]...)
}

func (d *Branch) appendCache(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(d.Len())) //nolint:gosec // never negative
	if d.Len() == 0 {
		return b
	}
	for i := range d.starts {
		b = binary.AppendUvarint(b, uint64(len(d.bytesOf(i))))
	}
	b = append(b, d.entries...)
	b = binary.AppendUvarint(b, uint64(len(d.notes)))
	b = append(b, d.notes...)
	b = append(b, d.digest[:]...)
	for _, n := range []int64{d.sum.Entries, d.sum.Names, d.sum.Files, d.sum.Bytes, d.sum.Links, int64(d.sum.Longest)} {
		b = binary.AppendVarint(b, n)
	}
	for _, below := range d.below {
		b = below.appendCache(b)
	}
	return b
}

// ReadCache reads what AppendCache wrote.
func ReadCache(b []byte) (Listing, error) {
	if len(b) < len(Digest{}) {
		return Listing{}, ErrMalformed
	}
	body := b[:len(b)-len(Digest{})]
	if blake3.Sum256(body) != [32]byte(b[len(body):]) {
		return Listing{}, ErrMalformed
	}
	d := NewDecoder(body)
	top := d.branch()
	if d.Failed() || len(d.Rest()) > 0 {
		return Listing{}, ErrMalformed
	}
	return Listing{top}, nil
}

func (d *Decoder) branch() *Branch {
	n := d.Uvarint()
	if d.bad || n == 0 || n > uint64(len(d.b)) {
		d.bad = d.bad || n > 0
		return nil
	}
	dir := &Branch{starts: make([]int, n)}
	total := 0
	for i := range dir.starts {
		dir.starts[i] = total
		total += int(d.Uvarint()) //nolint:gosec // closed by a hash
	}
	dir.entries = bytes.Clone(d.Bytes(total))          // the rest of the file need not stay in memory
	dir.notes = bytes.Clone(d.Bytes(int(d.Uvarint()))) //nolint:gosec // the same
	copy(dir.digest[:], d.Bytes(len(dir.digest)))
	s := &dir.sum
	for _, to := range []*int64{&s.Entries, &s.Names, &s.Files, &s.Bytes, &s.Links} {
		*to = d.Varint()
	}
	s.Longest = int(d.Varint())
	if d.bad {
		return nil
	}
	if len(dir.notes) == 0 {
		dir.notes = nil
	}
	for i := range dir.starts {
		if dir.kindAt(i) == Dir {
			dir.dirs = append(dir.dirs, i)
			dir.below = append(dir.below, d.branch())
		}
	}
	return dir
}
