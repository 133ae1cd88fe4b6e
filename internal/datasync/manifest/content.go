package manifest

import (
	"bytes"
	"encoding/binary"
	"sync"

	"github.com/zeebo/blake3"
)

// Scheme says how the content of files is hashed. Both sides of a data sync use the scheme
// of the primary's answer, never a newer one than the backup asked for.
type Scheme uint8

// The schemes.
const (
	// Whole is the BLAKE3 hash of all bytes.
	Whole Scheme = iota
	// Blocks is that for small files. Of others it is the BLAKE3 hash of the blocks
	// that are not all zeros, each by its number and its own hash, and of the size: a
	// hole costs nothing, whoever calls it one.
	Blocks
	// Lists is that for files of less than FromLists. Of others it is the hash of the List of
	// their blocks: two lists tell what differs, and a hole costs nothing.
	Lists
)

// Newest is the newest scheme that this version knows.
const Newest = Lists

const (
	fromBlocks = 64 << 20 // bytes from which on a file is hashed by blocks
	blockSize  = 64 << 10
)

// Differs reports whether the hash of a file of a size depends on the scheme.
func Differs(size int64) bool { return size >= FromLists }

func (e Entry) differs() bool { return e.Kind == File && Differs(e.Size) }

// ContentHash hashes one file's content as it comes.
type ContentHash struct {
	outer  *blake3.Hasher // of everything, or of the blocks
	inner  *blake3.Hasher // nil: by no blocks
	zeros  []byte         // as many as a block has
	block  []byte         // that is not complete
	list   *Lister        // nil: by no list
	of     int64          // bytes that the file will have
	offset int64
}

// hashers are those of hashes that were released: a new one for each small file would keep the collector busy.
var hashers = sync.Pool{New: func() any { return blake3.New() }} //nolint:gochecknoglobals // nothing is remembered in it

// Release ends the use of a hash that gives its memory to the next; without it, the collector does.
func (h *ContentHash) Release() {
	if h.outer != nil {
		h.outer.Reset()
		hashers.Put(h.outer)
		h.outer = nil
	}
}

// Hash begins the hash of a file that will have a size.
func (s Scheme) Hash(size int64) *ContentHash {
	h := &ContentHash{outer: hashers.Get().(*blake3.Hasher), of: size} //nolint:forcetypeassert // nothing else is put there
	switch {
	case s == Blocks && size >= fromBlocks:
		h.inner, h.zeros, h.block = blake3.New(), make([]byte, blockSize), make([]byte, 0, blockSize)
	case s == Lists && size >= FromLists:
		h.list = NewLister(BlockSize(size))
	}
	h.begin()
	return h
}

func (h *ContentHash) begin() {
	if h.inner != nil {
		_, _ = h.outer.WriteString("baton: blocks of 64 KiB\n") // never fails
	}
}

// Reset begins anew.
func (h *ContentHash) Reset() {
	h.outer.Reset()
	h.offset, h.block = 0, h.block[:0]
	if h.list != nil {
		h.list = NewLister(BlockSize(h.of))
	}
	h.begin()
}

// Write implements io.Writer. It never fails.
func (h *ContentHash) Write(b []byte) (int, error) {
	n := len(b)
	if h.list != nil {
		h.offset += int64(n)
		return n, h.list.Data(b)
	}
	if h.inner == nil {
		h.offset += int64(n)
		return h.outer.Write(b)
	}
	for len(b) > 0 {
		take := min(len(b), blockSize-len(h.block))
		if take == blockSize { // no need to copy
			h.add(h.outer, b[:take], h.offset)
		} else if h.block = append(h.block, b[:take]...); len(h.block) == blockSize {
			h.add(h.outer, h.block, h.offset)
			h.block = h.block[:0]
		}
		h.offset += int64(take)
		b = b[take:]
	}
	return n, nil
}

// add takes the block in which the offset lies.
func (h *ContentHash) add(to *blake3.Hasher, block []byte, offset int64) {
	if bytes.Equal(block, h.zeros[:len(block)]) {
		return
	}
	var line [8 + 32]byte
	binary.BigEndian.PutUint64(line[:8], uint64(offset/blockSize)) //nolint:gosec // never negative
	h.inner.Reset()
	_, _ = h.inner.Write(block) // never fails
	h.inner.Sum(line[:8])
	_, _ = to.Write(line[:])
}

// Hole takes zeros: by blocks at no cost, else at the cost of hashing them.
func (h *ContentHash) Hole(n int64) {
	if h.list != nil {
		h.offset += n
		_ = h.list.Hole(n) // never fails
		return
	}
	if h.inner == nil {
		zeros := make([]byte, min(n, 4*blockSize))
		for ; n > 0; n -= int64(len(zeros)) {
			zeros = zeros[:min(n, int64(len(zeros)))]
			_, _ = h.Write(zeros) // never fails
		}
		return
	}
	if len(h.block) > 0 {
		take := min(n, int64(blockSize-len(h.block)))
		_, _ = h.Write(h.zeros[:take]) // never fails
		n -= take
	}
	whole := n / blockSize * blockSize
	h.offset += whole
	_, _ = h.Write(h.zeros[:n-whole]) // never fails
}

// Sum returns the hash of what came so far.
func (h *ContentHash) Sum() (sum Hash) {
	if list, is := h.List(); is {
		return list.Hash()
	}
	if h.inner == nil {
		h.outer.Sum(sum[:0])
		return sum
	}
	last := h.outer.Clone()
	if len(h.block) > 0 {
		h.add(last, h.block, h.offset-int64(len(h.block)))
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(h.offset)) //nolint:gosec // never negative
	_, _ = last.Write(b[:])                            // never fails
	last.Sum(sum[:0])
	return sum
}

// List returns the list of the blocks that came so far, if the content is hashed by that.
func (h *ContentHash) List() (List, bool) {
	if h.list == nil {
		return List{}, false
	}
	return List{Size: h.offset, Blocks: h.list.Blocks()}, true
}

// Block returns the bytes of a block of the list; 0: content is not hashed by that.
func (h *ContentHash) Block() int64 {
	if h.list == nil {
		return 0
	}
	return h.list.size
}

// Known takes content that is not looked at, by the hashes of its blocks. It begins where a
// block does, and ends so, or with the file.
func (h *ContentHash) Known(blocks []Hash, bytes int64) {
	h.list.blocks = append(h.list.blocks, blocks...)
	h.offset += bytes
}

// In returns the listing of a set of this manifest with hashes by another scheme, as far as they
// are known: a large file of the same size and time in like, which is hashed by that, counts as the same.
func (m Manifest) In(scheme Scheme, set Set, like Listing) Listing {
	if m.Scheme == scheme {
		return set.Listing
	}
	var same Delta
	for e := range set.All() {
		if !e.differs() {
			continue
		}
		if k, found := like.Find(e.Path); found && k.Size == e.Size && k.ModTime == e.ModTime {
			e.Hash = k.Hash
			same.Set = append(same.Set, Change{Entry: e})
		}
	}
	in, err := Patch(set.Listing, same)
	if err != nil { // every path is one of the listing
		return set.Listing
	}
	return in
}

// NotesIn returns what a listing with notes, hashed by one scheme, says that is true by another as well: of what is
// not, nothing is noted.
func NotesIn(scheme, was Scheme, files Listing) Listing {
	if scheme == was {
		return files
	}
	var forget Delta
	for c := range files.Children() {
		if c.differs() {
			forget.Set = append(forget.Set, Change{Entry: c.Entry})
		}
	}
	other, err := Patch(files, forget)
	if err != nil { // every path is one of the listing
		return Listing{}
	}
	return other
}
