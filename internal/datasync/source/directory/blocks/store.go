package blocks

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"baton/internal/datasync/manifest"
)

// KeptFrom is the size, in bytes, of the files of which lists are kept. A million files that are
// smaller would fill the disk with lists.
const KeptFrom = 16 << 20

// Store keeps the lists of the large files of one tree: of what they hold, and of what both
// appliances had of them last. It is a cache: what is lost of it is sent whole. A list is
// checked when it is read. Its methods may be called at once; a nil Store keeps nothing.
type Store struct {
	dir  string
	from int64 // bytes of the files of which lists are kept
	log  *slog.Logger

	mu    sync.Mutex
	kept  map[string][]manifest.Hash // by path: lists that were kept since all was looked through, the oldest first
	swept bool                       // what earlier processes kept was looked through
}

// NewStore makes the store in a directory of its own, which is made when there is something to keep. Of files of less
// than from bytes nothing is.
func NewStore(dir string, from int64, log *slog.Logger) *Store {
	return &Store{dir: dir, from: from, log: log, kept: map[string][]manifest.Hash{}}
}

func (s *Store) file(of manifest.Hash) string { return filepath.Join(s.dir, hex.EncodeToString(of[:])) }

// Put keeps the list of what a file of the tree holds, by its path, and its marks, if it has any, if it is large enough.
func (s *Store) Put(path string, list manifest.List, marks Marks) {
	if s == nil || list.Size < s.from {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of := list.Hash()
	lists := s.kept[path]
	if slices.Contains(lists, of) {
		return
	}
	if err := s.write(of, list, marks); err != nil {
		s.log.Warn("a list of blocks could not be kept", slog.String("path", path), slog.Any("error", err))
		return
	}
	const most = 2 // what both had last, and the newest
	if lists = append(lists, of); len(lists) > most {
		s.drop(lists[most-1])
		lists = slices.Delete(lists, most-1, most)
	}
	s.kept[path] = lists
}

func (s *Store) write(of manifest.Hash, list manifest.List, marks Marks) error {
	b := make([]byte, 0, len(list.Blocks)*len(manifest.Hash{})+len(marks)*markBytes)
	for _, block := range list.Blocks {
		b = append(b, block[:]...)
	}
	for _, mark := range marks {
		b = binary.BigEndian.AppendUint64(b, mark)
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of lists: %w", err)
	}
	file := s.file(of)
	if err := os.WriteFile(file+".new", b, 0o600); err != nil {
		return fmt.Errorf("write a list: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("write a list: %w", err)
	}
	return nil
}

func (s *Store) drop(of manifest.Hash) {
	if err := os.Remove(s.file(of)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("a list of blocks is not removed", slog.Any("error", err))
	}
}

// Get returns the list of a content of a size, if it is kept and not damaged.
func (s *Store) Get(of manifest.Hash, size int64) (manifest.List, bool) {
	list, _, kept := s.read(of, size)
	return list, kept
}

// Sums returns the sums by which a content of a size is searched, if its list and its marks are kept.
func (s *Store) Sums(of manifest.Hash, size int64) (*Sums, bool) {
	list, marks, kept := s.read(of, size)
	if !kept || marks == nil {
		return nil, false
	}
	return sumsOf(list, marks), true
}

const markBytes = 8

// read reads a list, which is checked, with its marks, which need not be: what they find is.
func (s *Store) read(of manifest.Hash, size int64) (list manifest.List, marks Marks, kept bool) {
	if s == nil || size < s.from {
		return list, nil, false
	}
	b, err := os.ReadFile(s.file(of))
	end := int(manifest.BlockCount(size)) * len(manifest.Hash{})
	if err != nil || (len(b) != end && len(b) != end+len(NewMarks(size))*markBytes) {
		return list, nil, false
	}
	list.Size = size
	for block := range slices.Chunk(b[:end], len(manifest.Hash{})) {
		list.Blocks = append(list.Blocks, manifest.Hash(block))
	}
	for mark := range slices.Chunk(b[end:], markBytes) {
		marks = append(marks, binary.BigEndian.Uint64(mark))
	}
	return list, marks, list.Hash() == of
}

// Agreed drops the lists that are of no use any more now that both appliances have a listing.
func (s *Store) Agreed(now manifest.Listing) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	useful := map[manifest.Hash]bool{}
	for path := range s.kept {
		useful[contentOf(now, path)] = true
	}
	for path, lists := range s.kept {
		for _, of := range lists {
			if !useful[of] {
				s.drop(of)
			}
		}
		if of := contentOf(now, path); slices.Contains(lists, of) {
			s.kept[path] = []manifest.Hash{of}
		} else {
			delete(s.kept, path)
		}
	}
	if !s.swept {
		s.swept = true
		s.sweep(now)
	}
}

// contentOf returns what a file of a listing holds, by any of its names.
func contentOf(now manifest.Listing, path string) manifest.Hash {
	e, _ := now.Find(path)
	if e.Kind == manifest.Link {
		e, _ = now.Find(e.Target)
	}
	return e.Hash
}

// sweep drops what earlier processes kept and is of no use.
func (s *Store) sweep(now manifest.Listing) {
	files, err := os.ReadDir(s.dir)
	if err != nil || len(files) == 0 {
		return
	}
	useful := map[string]bool{}
	for e := range now.All() {
		if e.Kind == manifest.File && e.Size >= s.from {
			useful[filepath.Base(s.file(e.Hash))] = true
		}
	}
	for _, f := range files {
		if !useful[f.Name()] {
			_ = os.Remove(filepath.Join(s.dir, f.Name())) // tried again after the next start
		}
	}
}
