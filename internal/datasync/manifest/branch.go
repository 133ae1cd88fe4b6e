package manifest

import (
	"bytes"
	"encoding/binary"
	"sort"
	"strings"

	"github.com/zeebo/blake3"
)

// Branch is one Dir of a Listing: what is right in it, by name. It never changes, so
// that many listings can share it. An empty one is nil.
type Branch struct {
	entries []byte    // their byte forms under their names, one after another
	starts  []int     // where each begins
	notes   []byte    // noteSize for each entry; nil: nothing is noted of any
	dirs    []int     // which of the entries are branches
	below   []*Branch // what is in these
	digest  Digest    // of all that is in it, at any depth
	sum     Sum
}

// Sum is what a branch holds, at any depth.
type Sum struct {
	Entries int64 // the branch itself apart
	Names   int64 // of these, what is no branch
	Files   int64 // further names not counted
	Bytes   int64 // of the files
	Links   int64 // further names
	Longest int   // bytes of the longest path in it
}

// Note is what the owner of a listing remembers of an entry besides what it is: by which
// signs he sees that it has not changed. It is no part of what is compared, sent or digested.
type Note struct {
	Ino   uint64 // number of the file on its file system; 0: nothing is remembered
	CTime int64  // when its status changed last, Unix nanoseconds
	Alloc int64  // bytes that it takes on the disk
	Racy  bool   // it was looked at too soon after a change to be trusted
}

const noteSize = 24

func (n Note) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, n.Ino)
	b = binary.LittleEndian.AppendUint64(b, uint64(n.CTime)) //nolint:gosec // bits
	alloc := uint64(max(n.Alloc, 0)) << 1
	if n.Racy {
		alloc |= 1
	}
	return binary.LittleEndian.AppendUint64(b, alloc)
}

func readNote(b []byte) Note {
	alloc := binary.LittleEndian.Uint64(b[16:])
	return Note{
		Ino: binary.LittleEndian.Uint64(b), CTime: int64(binary.LittleEndian.Uint64(b[8:])), //nolint:gosec // bits
		Alloc: int64(alloc >> 1), Racy: alloc&1 == 1,
	}
}

// Child is one entry of a branch, with what is below it.
type Child struct {
	Entry

	Note  Note
	Below *Branch // of a branch
}

// NewBranch makes a branch of its children, sorted by name. The name of a child is what follows
// the last slash of its path.
func NewBranch(children []Child) *Branch {
	if len(children) == 0 {
		return nil
	}
	d := &Branch{starts: make([]int, 0, len(children))}
	noted := false
	for _, c := range children {
		noted = noted || c.note() != Note{}
	}
	if noted {
		d.notes = make([]byte, 0, noteSize*len(children))
	}
	for i, c := range children {
		d.starts = append(d.starts, len(d.entries))
		d.entries = appendNamed(d.entries, Base(c.Path), c.Entry)
		if noted {
			d.notes = c.note().append(d.notes)
		}
		d.sum.add(c)
		if c.Kind == Dir {
			d.dirs, d.below = append(d.dirs, i), append(d.below, c.Below)
		}
	}
	d.entries = bytes.Clone(d.entries) // without what append holds ready
	d.digest = d.hash()
	return d
}

// note is that of the child; what its entry says of its room on the disk counts as noted.
func (c Child) note() Note {
	if c.Note.Alloc == 0 {
		c.Note.Alloc = c.Alloc
	}
	return c.Note
}

func (s *Sum) add(c Child) {
	s.Entries++
	longest := len(Base(c.Path))
	switch c.Kind {
	case Dir:
		below := c.Below.Sum()
		s.Entries += below.Entries
		s.Names += below.Names
		s.Files += below.Files
		s.Bytes += below.Bytes
		s.Links += below.Links
		if below.Longest > 0 {
			longest += 1 + below.Longest
		}
	case File:
		s.Names++
		s.Files++
		s.Bytes += c.Size
	case Link:
		s.Names++
		s.Links++
	case Symlink, Fifo, Blob:
		s.Names++
	}
	s.Longest = max(s.Longest, longest)
}

func (d *Branch) hash() Digest {
	h := blake3.New()
	_, _ = h.Write(d.entries) // never fails
	for _, b := range d.below {
		digest := b.Digest()
		_, _ = h.Write(digest[:])
	}
	var sum Digest
	h.Sum(sum[:0])
	return sum
}

// Digest returns the digest of all that the branch holds, at any depth: equal digests, equal content.
func (d *Branch) Digest() Digest {
	if d == nil {
		return Digest{}
	}
	return d.digest
}

// Sum returns what the branch holds, at any depth.
func (d *Branch) Sum() Sum {
	if d == nil {
		return Sum{}
	}
	return d.sum
}

// Len returns how many entries are right in the branch.
func (d *Branch) Len() int {
	if d == nil {
		return 0
	}
	return len(d.starts)
}

// bytesOf is the byte form of an entry.
func (d *Branch) bytesOf(i int) []byte {
	if i+1 < len(d.starts) {
		return d.entries[d.starts[i]:d.starts[i+1]]
	}
	return d.entries[d.starts[i]:]
}

// name is that of an entry; it is not to be changed.
func (d *Branch) name(i int) []byte {
	b := d.bytesOf(i)[1:]
	n, used := binary.Uvarint(b)
	return b[used : used+int(n)] //nolint:gosec // as written
}

// Name returns the name of an entry.
func (d *Branch) Name(i int) string { return string(d.name(i)) }

// Find returns which entry has a name.
func (d *Branch) Find(name string) (int, bool) {
	n := d.Len()
	i := sort.Search(n, func(i int) bool { return string(d.name(i)) >= name })
	return i, i < n && string(d.name(i)) == name
}

// At returns an entry, by its number. Its path is its name.
func (d *Branch) At(i int) Child {
	decoder := NewDecoder(d.bytesOf(i))
	c := Child{Entry: decoder.identity(), Below: d.belowAt(i)}
	c.Note = d.noteAt(i)
	c.Alloc = c.Note.Alloc
	return c
}

func (d *Branch) noteAt(i int) Note {
	if d.notes == nil {
		return Note{}
	}
	return readNote(d.notes[noteSize*i:])
}

// belowAt is what is in an entry; nil: it is empty, or no branch.
func (d *Branch) belowAt(i int) *Branch {
	at := sort.SearchInts(d.dirs, i)
	if at == len(d.dirs) || d.dirs[at] != i {
		return nil
	}
	return d.below[at]
}

// kindAt is the kind of an entry.
func (d *Branch) kindAt(i int) Kind { return Kind(d.entries[d.starts[i]]) }

// Base returns the last name of a path.
func Base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// joined is the path of a name in a branch.
func joined(dir, name string) string {
	if dir == "." || dir == "" {
		return name
	}
	return dir + "/" + name
}
