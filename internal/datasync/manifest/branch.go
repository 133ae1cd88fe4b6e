package manifest

import (
	"bytes"
	"encoding/binary"
	"slices"
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
	m := newMaking(len(children))
	for _, c := range children {
		m.put(c)
	}
	return m.done()
}

// making is a branch that is being made, from its first entry to its last.
type making struct {
	Branch

	noted bool // something is
}

// newMaking begins a branch of about so many entries.
func newMaking(entries int) *making {
	return &making{Branch: Branch{starts: make([]int, 0, entries), notes: make([]byte, 0, noteSize*entries)}}
}

// put appends a child.
func (m *making) put(c Child) {
	m.starts = append(m.starts, len(m.entries))
	name := Base(c.Path)
	m.entries = appendNamed(m.entries, name, c.Entry)
	note := c.note()
	m.noted = m.noted || note != Note{}
	m.notes = note.append(m.notes)
	m.holds(c.Kind, len(name), c.Size, c.Below)
}

// copy appends some of the entries of another branch as they are.
func (m *making) copy(d *Branch, from, to int) {
	if from == to {
		return
	}
	end := len(d.entries)
	if to < len(d.starts) {
		end = d.starts[to]
	}
	m.entries = slices.Grow(m.entries, end-d.starts[from])
	for i := from; i < to; i++ {
		m.starts = append(m.starts, len(m.entries)+d.starts[i]-d.starts[from])
		kind, name, size := d.outline(i)
		m.holds(kind, name, size, d.belowAt(i))
	}
	m.entries = append(m.entries, d.entries[d.starts[from]:end]...)
	if d.notes == nil {
		m.notes = append(m.notes, make([]byte, noteSize*(to-from))...)
		return
	}
	m.noted = true
	m.notes = append(m.notes, d.notes[noteSize*from:noteSize*to]...)
}

// holds counts an entry that was just begun.
func (m *making) holds(kind Kind, name int, size int64, below *Branch) {
	m.sum.add(kind, name, size, below)
	if kind == Dir {
		m.dirs, m.below = append(m.dirs, len(m.starts)-1), append(m.below, below)
	}
}

// done returns the branch.
func (m *making) done() *Branch {
	if len(m.starts) == 0 {
		return nil
	}
	d := m.Branch
	if !m.noted {
		d.notes = nil
	}
	d.entries, d.starts, d.notes = bytes.Clone(d.entries), slices.Clone(d.starts), bytes.Clone(d.notes) // without what append holds ready
	d.digest = d.hash()
	return &d
}

// note is that of the child; what its entry says of its room on the disk counts as noted.
func (c Child) note() Note {
	if c.Note.Alloc == 0 {
		c.Note.Alloc = c.Alloc
	}
	return c.Note
}

// add counts an entry with a name of so many bytes, and what is below it.
func (s *Sum) add(kind Kind, name int, size int64, below *Branch) {
	s.Entries++
	switch kind {
	case Dir:
		in := below.Sum()
		s.Entries += in.Entries
		s.Names += in.Names
		s.Files += in.Files
		s.Bytes += in.Bytes
		s.Links += in.Links
		if in.Longest > 0 {
			name += 1 + in.Longest
		}
	case File:
		s.Names++
		s.Files++
		s.Bytes += size
	case Link:
		s.Names++
		s.Links++
	case Symlink, Fifo, Blob:
		s.Names++
	}
	s.Longest = max(s.Longest, name)
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

// outline is what is counted of an entry: its kind, the bytes of its name and, of a file, its size.
func (d *Branch) outline(i int) (kind Kind, name int, size int64) {
	b := d.bytesOf(i)
	kind, b = Kind(b[0]), b[1:]
	n, used := binary.Uvarint(b)
	name = int(n) //nolint:gosec // as written
	if kind != File {
		return kind, name, 0
	}
	b = b[used+name:]
	for range 4 { // mode, owner, group and time
		_, used = binary.Uvarint(b)
		b = b[used:]
	}
	n, _ = binary.Uvarint(b)
	return kind, name, int64(n) //nolint:gosec // as written
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
