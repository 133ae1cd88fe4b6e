package manifest

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/zeebo/blake3"
)

// List is the list of the blocks of a file, of which its hash by the scheme Lists is made. Two lists
// with blocks of one size tell in which blocks two contents differ.
type List struct {
	Size   int64  // bytes of the file
	Blocks []Hash // of each block; the zero value: all of it is zeros
}

const (
	// FromLists is the size, in bytes, from which on a file is hashed by the list of its blocks.
	FromLists  = 1 << 20
	leastBlock = 16 << 10
	mostBlocks = 1 << 18 // a list takes 8 MiB at most
)

// BlockSize returns the bytes of the blocks of a file of a size. The last one may have fewer.
func BlockSize(size int64) int64 {
	block := int64(leastBlock)
	for size > block*mostBlocks {
		block *= 2
	}
	return block
}

// BlockCount returns how many blocks a file of a size has.
func BlockCount(size int64) int64 {
	block := BlockSize(size)
	return (size + block - 1) / block
}

// Hash returns the hash of the content that has the list.
func (l List) Hash() (sum Hash) {
	h := blake3.New()
	_, _ = h.WriteString("baton: list of blocks\n")                    // never fails
	_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(l.Size))) //nolint:gosec // never negative
	for _, b := range l.Blocks {
		_, _ = h.Write(b[:])
	}
	h.Sum(sum[:0])
	return sum
}

// Lister hashes the blocks of content that comes from the beginning of one of them on.
type Lister struct {
	size   int64 // of a block
	blocks []Hash
	hash   *blake3.Hasher // of the block that is not complete, once it is not all zeros
	at     int64          // bytes of that block
	begun  bool           // it is not all zeros
}

// NewLister begins to hash blocks of a size.
func NewLister(size int64) *Lister { return &Lister{size: size, hash: blake3.New()} }

// Data takes bytes. It never fails.
func (l *Lister) Data(b []byte) error {
	for len(b) > 0 {
		take := min(int64(len(b)), l.size-l.at)
		if take == l.size {
			l.blocks = append(l.blocks, HashOfBlock(b[:take]))
		} else {
			l.part(b[:take])
		}
		b = b[take:]
	}
	return nil
}

// HashOfBlock returns the hash of a block of a list, or of a part of one at the end of a file.
func HashOfBlock(b []byte) Hash {
	if zeros(b) {
		return Hash{}
	}
	return blake3.Sum256(b)
}

// zeros reports whether bytes, of which there are some, are zeros.
func zeros(b []byte) bool { return b[0] == 0 && bytes.Equal(b[1:], b[:len(b)-1]) }

// part takes bytes of a block.
func (l *Lister) part(b []byte) {
	if !l.begun && !zeros(b) {
		l.begin()
	}
	if l.begun {
		_, _ = l.hash.Write(b) // never fails
	}
	l.took(int64(len(b)))
}

func (l *Lister) took(n int64) {
	if l.at += n; l.at == l.size {
		l.blocks, l.at, l.begun = append(l.blocks, l.last()), 0, false
	}
}

// begin hashes the zeros with which a block begins that has something else in it.
func (l *Lister) begin() {
	l.hash.Reset()
	l.begun = true
	l.hashZeros(l.at)
}

func (l *Lister) hashZeros(n int64) {
	none := make([]byte, min(n, 64<<10))
	for ; n > 0; n -= int64(len(none)) {
		none = none[:min(n, int64(len(none)))]
		_, _ = l.hash.Write(none) // never fails
	}
}

// last is the hash of the block that is not complete.
func (l *Lister) last() (sum Hash) {
	if l.begun {
		l.hash.Sum(sum[:0])
	}
	return sum
}

// Hole takes zeros. It never fails.
func (l *Lister) Hole(n int64) error {
	for n > 0 {
		take := min(n, l.size-l.at)
		if l.begun {
			l.hashZeros(take)
		}
		l.took(take)
		n -= take
	}
	return nil
}

// Blocks returns the hashes of the blocks so far.
func (l *Lister) Blocks() []Hash {
	if l.at > 0 {
		return append(slices.Clone(l.blocks), l.last())
	}
	return l.blocks
}
