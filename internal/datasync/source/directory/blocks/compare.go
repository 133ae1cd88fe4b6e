package blocks

import (
	"cmp"
	"encoding/binary"
	"slices"

	"baton/internal/datasync/manifest"
)

// Stretch is a part of a file.
type Stretch struct{ Offset, Bytes int64 }

// End is where it ends.
func (s Stretch) End() int64 { return s.Offset + s.Bytes }

// Add appends a stretch to others that come before it, and joins those that touch.
func Add(to []Stretch, s Stretch) []Stretch {
	if s.Bytes == 0 {
		return to
	}
	if last := len(to) - 1; last >= 0 && to[last].End() == s.Offset {
		to[last].Bytes += s.Bytes
		return to
	}
	return append(to, s)
}

// Sum is how many bytes stretches have.
func Sum(of []Stretch) (bytes int64) {
	for _, s := range of {
		bytes += s.Bytes
	}
	return bytes
}

// Compare returns the stretches of a content, in order, that an older one does not have at the same
// place. It reports false if their lists cannot be compared.
func Compare(old, now manifest.List) ([]Stretch, bool) {
	size := manifest.BlockSize(now.Size)
	if manifest.BlockSize(old.Size) != size {
		return nil, false
	}
	var other []Stretch
	for i, block := range now.Blocks {
		at := int64(i) * size
		s := Stretch{at, min(size, now.Size-at)}
		if i >= len(old.Blocks) || old.Blocks[i] != block || s.End() > old.Size {
			other = Add(other, s)
		}
	}
	return other, true
}

// Rest returns the stretches of a content of a size that are not among others, which are in order.
func Rest(others []Stretch, size int64) []Stretch {
	var rest []Stretch
	at := int64(0)
	for _, s := range others {
		rest = Add(rest, Stretch{at, s.Offset - at})
		at = s.End()
	}
	return Add(rest, Stretch{at, size - at})
}

// Below returns the part of stretches that lies within so many bytes.
func Below(of []Stretch, size int64) []Stretch {
	var below []Stretch
	for _, s := range of {
		below = Add(below, Stretch{s.Offset, min(s.Bytes, max(size-s.Offset, 0))})
	}
	return below
}

// Append appends the byte form of stretches, which Read reads.
func Append(b []byte, parts []Stretch) []byte {
	b = binary.AppendUvarint(b, uint64(len(parts)))
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(p.Offset)) //nolint:gosec // never negative
		b = binary.AppendUvarint(b, uint64(p.Bytes))  //nolint:gosec // the same
	}
	return b
}

// Read reads what Append wrote. What it returns is not checked.
func Read(d *manifest.Decoder) (parts []Stretch) {
	for n := d.Uvarint(); n > 0 && !d.Failed(); n-- {
		parts = append(parts, Stretch{Offset: int64(d.Uvarint()), Bytes: int64(d.Uvarint())}) //nolint:gosec // closed by a hash
	}
	return parts
}

// Without returns the parts of stretches that are not among others; both are in order.
func Without(of, others []Stretch) []Stretch {
	var left []Stretch
	for _, s := range of {
		at := s.Offset
		for _, o := range others {
			if o.End() <= at || o.Offset >= s.End() {
				continue
			}
			left = Add(left, Stretch{at, max(o.Offset-at, 0)})
			at = max(at, o.End())
		}
		left = Add(left, Stretch{at, max(s.End()-at, 0)})
	}
	return left
}

// Union returns the stretches of two lists, which are in order and have nothing in common.
func Union(a, b []Stretch) []Stretch {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b Stretch) int { return cmp.Compare(a.Offset, b.Offset) })
	var joined []Stretch
	for _, s := range all {
		joined = Add(joined, s)
	}
	return joined
}

// At returns the stretch at an offset of a content of a size that is among others or between them, and whether it is
// among them. They are in order.
func At(others []Stretch, offset, size int64) (s Stretch, among bool) {
	i, _ := slices.BinarySearchFunc(others, offset, func(s Stretch, offset int64) int {
		if s.End() <= offset {
			return -1
		}
		return 1
	})
	if i == len(others) {
		return Stretch{offset, size - offset}, false
	}
	if others[i].Offset <= offset {
		return Stretch{offset, others[i].End() - offset}, true
	}
	return Stretch{offset, min(others[i].Offset, size) - offset}, false
}
