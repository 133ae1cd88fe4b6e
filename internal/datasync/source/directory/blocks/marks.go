package blocks

import (
	"baton/internal/datasync/manifest"
)

// Marks are the rolling sums of some blocks of a content, one each MiB: by the kept list and these, what was moved is found without a
// question to who has the old content. The zero value of one: its block is all zeros, or not whole.
type Marks []uint64

// marksApart is how many bytes lie between the beginnings of two blocks with a mark, unless blocks are larger.
const marksApart = 1 << 20

// apart returns how many blocks of content of a size have one mark.
func apart(size int64) int64 { return max(marksApart/manifest.BlockSize(size), 1) }

// NewMarks makes room for the marks of content of a size.
func NewMarks(size int64) Marks {
	each := apart(size) * manifest.BlockSize(size)
	return make(Marks, (size+each-1)/each)
}

// Marker makes the marks of content that comes from the beginning of a block on.
type Marker struct {
	to          Marks
	at          int64 // in the content
	block, each int64 // bytes of a block, and from one mark to the next
	sum         uint64
}

// MarkerFrom begins at an offset of content of a size, whose marks it sets.
func MarkerFrom(offset, size int64, to Marks) *Marker {
	return &Marker{to: to, at: offset, block: manifest.BlockSize(size), each: apart(size) * manifest.BlockSize(size)}
}

// Data takes bytes.
func (m *Marker) Data(b []byte) {
	for len(b) > 0 {
		n := m.part(int64(len(b)))
		if m.at%m.each < m.block {
			m.sum = weakAfter(m.sum, b[:n])
		}
		m.took(n)
		b = b[n:]
	}
}

// Hole takes zeros.
func (m *Marker) Hole(bytes int64) {
	for bytes > 0 {
		n := m.part(bytes)
		if m.at%m.each < m.block && m.sum != 0 {
			for range n {
				m.sum *= factor
			}
		}
		m.took(n)
		bytes -= n
	}
}

// part returns how many of so many bytes belong to the block with a mark that they begin in, or lie before the next one.
func (m *Marker) part(bytes int64) int64 {
	end := m.each
	if in := m.at % m.each; in < m.block {
		end = m.block
	}
	return min(bytes, end-m.at%m.each)
}

func (m *Marker) took(n int64) {
	if m.at += n; m.at%m.each == m.block%m.each && m.sum != 0 {
		m.to[(m.at-1)/m.each], m.sum = m.sum, 0
	}
}

// sumsOf returns the sums by which a content is searched of which the list and the marks are kept.
func sumsOf(list manifest.List, marks Marks) *Sums {
	s := newSums(list.Size, apart(list.Size))
	for _, block := range list.Blocks[:list.Size/s.block] {
		s.strong = append(s.strong, strong(block[:len(strong{})]))
	}
	for i, mark := range marks {
		s.add(mark, i*int(s.apart))
	}
	return s
}
