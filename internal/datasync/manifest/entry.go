package manifest

import (
	"cmp"
	"slices"
	"strings"
)

// Limits of one entry besides those of its path. They bound what a peer can make an appliance hold.
const (
	MaxTarget = 4095 // bytes of a symlink's text
	MaxXAttrs = 256 << 10
	MaxSize   = 1 << 50 // bytes of one file
)

// Kind is the kind of an entry.
type Kind uint8

// The kinds of entries.
const (
	Dir     Kind = iota + 1
	File         // regular file; the first name of it, if it has several
	Symlink      // Target is its text
	Fifo         // named pipe
	Link         // further name of the File at Target
	// Blob is the one entry, with the path ".", of data that has no names in it: what
	// it sends, as a whole, known by its Hash alone. Its bytes travel with the manifest, so
	// it is small.
	Blob
)

// Hash is the BLAKE3 hash of a file's content.
type Hash [32]byte

// XAttr is one extended attribute. Access control lists are extended attributes.
type XAttr struct{ Name, Value string }

// Entry is one name in a piece of data.
type Entry struct {
	Path    string  // relative, slashes, any bytes; "." is the data itself
	Kind    Kind    //
	Mode    uint32  // permissions with setuid, setgid and sticky, as in stat(2)
	UID     uint32  // owner
	GID     uint32  // group
	ModTime int64   // Unix nanoseconds
	Size    int64   // bytes; of a File only
	Alloc   int64   // bytes that the file takes on the primary's disk; a hint, no part of identity
	Hash    Hash    // of a File or Blob only
	Target  string  // see Symlink and Link
	XAttrs  []XAttr // sorted by name
}

// SameContent reports whether a and b hold the same, whatever their metadata.
func (e Entry) SameContent(other Entry) bool {
	return e.Kind == other.Kind && e.Size == other.Size && e.Hash == other.Hash && e.Target == other.Target
}

// SameMeta reports whether a and b have the same owner, mode, time and
// attributes. A Link has none of its own.
func (e Entry) SameMeta(other Entry) bool {
	if e.Kind == Link && other.Kind == Link {
		return true
	}
	return e.Mode == other.Mode && e.UID == other.UID && e.GID == other.GID && e.ModTime == other.ModTime &&
		slices.Equal(e.XAttrs, other.XAttrs)
}

// Same reports whether a and b are one state of one path.
func (e Entry) Same(other Entry) bool {
	return e.Path == other.Path && e.SameContent(other) && e.SameMeta(other)
}

// ComparePaths orders paths as a walk through the branches comes by them: the data itself
// first, a branch right before what is in it, and names in one branch by their bytes.
func ComparePaths(a, b string) int {
	if a == "." || b == "." {
		return compareWhole(a, b)
	}
	n := min(len(a), len(b))
	for i := range n {
		if a[i] == b[i] {
			continue
		}
		switch {
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		}
		return cmp.Compare(a[i], b[i])
	}
	return cmp.Compare(len(a), len(b))
}

// compareWhole orders two paths of which one is the data itself, which comes first.
func compareWhole(a, b string) int {
	if a == b {
		return 0
	}
	if a == "." {
		return -1
	}
	return 1
}

// Parent returns the path of what holds path.
func Parent(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "."
	}
	return path[:i]
}
