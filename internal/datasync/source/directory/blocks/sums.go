package blocks

import (
	"encoding/binary"
	"fmt"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/manifest"
)

// Sums are those of the whole blocks of a content, by which they are found at any offset in another:
// of each, or of one among several, a sum that rolls, and of each a part of its hash.
type Sums struct {
	block  int64
	apart  int64          // one of so many blocks has a sum that rolls
	weak   map[uint64]int // by the sum: the first block that has it; those of zeros apart
	strong []strong
	filter []uint64 // bits, by the highest bits of a sum: one that is not set has no block
	shift  uint
	out    uint64 // what the oldest byte of a window counts
}

type strong [16]byte

// SumBytes is how many bytes the sums of one block have.
const SumBytes = 8 + len(strong{})

// MaxSums is how many bytes the sums of content of a size have.
func MaxSums(size int64) int64 { return size / manifest.BlockSize(size) * int64(SumBytes) }

// AppendSum appends the sums of one whole block. Its hash is the zero value if it is all zeros, as in a list.
func AppendSum(b, block []byte, hash manifest.Hash) []byte {
	b = binary.BigEndian.AppendUint64(b, weakOf(block))
	return append(b, hash[:len(strong{})]...)
}

// factor is what a byte of a sum counts more for each byte that follows it: any odd number
// with bits all over.
const factor = 0x9e3779b97f4a7c15

func weakOf(b []byte) uint64 { return weakAfter(0, b) }

// weakAfter returns the sum of bytes that follow those of which it has the sum.
func weakAfter(sum uint64, b []byte) uint64 {
	const f1, f2, f3, f4 uint64 = factor & (1<<64 - 1), factor * factor & (1<<64 - 1), factor * factor * factor & (1<<64 - 1), factor * factor * factor * factor & (1<<64 - 1)
	for ; len(b) >= 4; b = b[4:] {
		sum = sum*f4 + uint64(b[0])*f3 + uint64(b[1])*f2 + uint64(b[2])*f1 + uint64(b[3])
	}
	for _, c := range b {
		sum = sum*f1 + uint64(c)
	}
	return sum
}

// ReadSums reads the sums of content of a size.
func ReadSums(b []byte, size int64) (*Sums, error) {
	if int64(len(b)) != MaxSums(size) {
		return nil, fmt.Errorf("%w: %d bytes of sums", manifest.ErrMalformed, len(b))
	}
	s := newSums(size, 1)
	for i := 0; len(b) > 0; i, b = i+1, b[SumBytes:] {
		s.strong = append(s.strong, strong(b[8:SumBytes]))
		s.add(binary.BigEndian.Uint64(b), i)
	}
	return s, nil
}

// newSums makes room for the sums of content of a size.
func newSums(size, apart int64) *Sums {
	s := &Sums{block: manifest.BlockSize(size), apart: apart, weak: map[uint64]int{}, out: 1}
	for range s.block {
		s.out *= factor
	}
	bits := uint(10)
	for int64(1)<<bits < 16*size/s.block/apart {
		bits++
	}
	s.filter, s.shift = make([]uint64, 1<<bits/64), 64-bits
	return s
}

// add notes the sum of a block, unless it is all zeros or another has the same.
func (s *Sums) add(weak uint64, block int) {
	if _, twice := s.weak[weak]; weak == 0 || twice {
		return
	}
	s.weak[weak] = block
	at := weak >> s.shift
	s.filter[at/64] |= 1 << (at % 64)
}

func (s *Sums) find(weak uint64, window []byte) (int, bool) {
	i, found := s.weak[weak]
	return i, found && s.is(i, window)
}

// is reports whether a window is a block.
func (s *Sums) is(i int, window []byte) bool {
	sum := blake3.Sum256(window)
	return strong(sum[:len(strong{})]) == s.strong[i]
}

// Sink takes what a search finds, in order.
type Sink interface {
	Data(b []byte) error
	Hole(bytes int64) error
	Same(from, bytes int64) error
}

// Search looks for blocks of an older content in a newer one, which comes in order, and hands on what it finds.
type Search struct {
	sums   *Sums
	to     Sink
	buffer []byte  // what came
	start  int     // where in it begins what is not handed on
	at     int     // where in it the window begins that is looked at
	next   int     // the block that followed the one that was found last; negative: none was right before
	same   Stretch // what was found and is not handed on
	missed int64   // bytes since a block was found
}

// NewSearch begins a search.
func NewSearch(sums *Sums, to Sink) *Search { return &Search{sums: sums, to: to, next: -1} }

// giveUp is after how many bytes without any block, in bytes, the rest is handed on as it is.
const giveUp = 64 << 20

const (
	chunk    = 256 << 10 // bytes that are handed on at once
	together = 4 << 20   // bytes that were found and are handed on at once: so that the backup is at work meanwhile
)

// Data takes content.
func (s *Search) Data(b []byte) error {
	s.buffer = append(s.buffer[:copy(s.buffer, s.buffer[s.start:])], b...)
	s.at, s.start = s.at-s.start, 0
	if s.missed > giveUp {
		s.at = len(s.buffer)
		return s.flush(s.at)
	}
	size := int(s.sums.block)
	for len(s.buffer)-s.at >= size {
		window := s.buffer[s.at : s.at+size]
		if s.next >= 0 && s.next < len(s.sums.strong) && s.sums.is(s.next, window) {
			if err := s.found(s.next); err != nil {
				return err
			}
			continue
		}
		i, found := s.roll()
		if !found {
			break
		}
		if err := s.found(i); err != nil {
			return err
		}
	}
	before := (s.sums.apart - 1) * s.sums.block // so much may be found once the next block with a sum is
	if to := s.at - int(before); to-s.start >= chunk {
		return s.flush(to)
	}
	return nil
}

// roll moves the window until it is one of the blocks, or all is looked at that came.
func (s *Search) roll() (int, bool) {
	size, shift, filter := int(s.sums.block), s.sums.shift, s.sums.filter
	begin, b := s.at, s.buffer
	weak := weakOf(b[s.at : s.at+size])
	for {
		if at := weak >> shift; filter[at/64]&(1<<(at%64)) != 0 {
			if i, found := s.sums.find(weak, b[s.at:s.at+size]); found {
				return i, true
			}
		}
		s.next = -1
		if s.at+size >= len(b) {
			s.missed += int64(s.at - begin)
			return 0, false
		}
		weak = weak*factor + uint64(b[s.at+size]) - uint64(b[s.at])*s.sums.out
		s.at++
	}
}

// found takes the window as a block, and what is right before it as the blocks before, as far as it is. It hands on the rest.
func (s *Search) found(i int) error {
	size, first, after := int(s.sums.block), i, s.at
	for first > 0 && s.at-size >= s.start && s.sums.is(first-1, s.buffer[s.at-size:s.at]) {
		first, s.at = first-1, s.at-size
	}
	if s.at > s.start {
		if err := s.flush(s.at); err != nil {
			return err
		}
	}
	from := Stretch{int64(first) * s.sums.block, int64(i+1-first) * s.sums.block}
	if s.same.Bytes >= together || (s.same.Bytes > 0 && s.same.End() != from.Offset) {
		if err := s.handSame(); err != nil {
			return err
		}
	}
	if s.same.Bytes == 0 {
		s.same.Offset = from.Offset
	}
	s.same.Bytes += from.Bytes
	s.start = after + size
	s.at = s.start
	s.next, s.missed = i+1, 0
	return nil
}

func (s *Search) handSame() error {
	if s.same.Bytes == 0 {
		return nil
	}
	err := s.to.Same(s.same.Offset, s.same.Bytes)
	s.same = Stretch{}
	return err
}

// flush hands on what was found, and what is before a place in the buffer.
func (s *Search) flush(to int) error {
	if err := s.handSame(); err != nil {
		return err
	}
	for s.start < to {
		n := min(to-s.start, chunk)
		if err := s.to.Data(s.buffer[s.start : s.start+n]); err != nil {
			return err
		}
		s.start += n
	}
	return nil
}

// Hole takes zeros.
func (s *Search) Hole(bytes int64) error {
	if err := s.Close(); err != nil {
		return err
	}
	s.next = -1
	return s.to.Hole(bytes)
}

// Same implements source.Sink: what is searched comes as it is.
func (s *Search) Same(from, bytes int64) error { return s.to.Same(from, bytes) }

// Close hands on what is left.
func (s *Search) Close() error {
	s.at = len(s.buffer)
	return s.flush(s.at)
}
