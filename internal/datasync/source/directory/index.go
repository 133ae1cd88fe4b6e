package directory

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/plan"
)

// Known is what the index remembers of one file: as long as the stamp is the
// same, so is the content.
type Known struct {
	Stamp  Stamp
	Racy   bool // hashed too soon after a change to be trusted
	Hash   manifest.Hash
	XAttrs []manifest.XAttr
}

// Index remembers the files of one tree by path, so that each is read once. It
// is a cache: losing it costs reading, never correctness.
type Index map[string]Known

// lookup returns what is known of an unchanged file.
func (x Index) lookup(path string, s Stamp) (Known, bool) {
	k, ok := x[path]
	return k, ok && !k.Racy && k.Stamp.unchanged(s)
}

// In returns what is known by one scheme of what was hashed by another.
func (x Index) In(scheme, was manifest.Scheme) Index {
	if scheme == was {
		return x
	}
	same := make(Index, len(x))
	for path, k := range x {
		if !manifest.Differs(k.Stamp.Size) {
			same[path] = k
		}
	}
	return same
}

// Append appends the index's byte form, closed by its BLAKE3 hash.
func (x Index) Append(b []byte) []byte {
	start := len(b)
	b = binary.AppendUvarint(b, uint64(len(x)))
	for path, k := range x {
		e := k.Stamp.entry(path)
		e.Kind, e.Size, e.Hash, e.XAttrs = manifest.File, k.Stamp.Size, k.Hash, k.XAttrs
		b = manifest.AppendEntry(b, e)
		b = binary.AppendUvarint(b, k.Stamp.Ino)
		b = binary.AppendVarint(b, k.Stamp.CTime)
		b = binary.AppendUvarint(b, uint64(k.Stamp.Mode))
		if k.Racy {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	sum := blake3.Sum256(b[start:])
	return append(b, sum[:]...)
}

// ReadIndex reads what Append wrote.
func ReadIndex(b []byte) (Index, error) {
	damaged := errors.New("index is damaged")
	if len(b) < 32 {
		return nil, damaged
	}
	body := b[:len(b)-32]
	if blake3.Sum256(body) != [32]byte(b[len(body):]) {
		return nil, damaged
	}
	d := manifest.NewDecoder(body)
	n := d.Uvarint()
	x := make(Index, min(n, uint64(len(body)/32)))
	for range n {
		e, rest, err := manifest.ReadEntry(d.Rest())
		if err != nil {
			return nil, err
		}
		d = manifest.NewDecoder(rest)
		k := Known{Hash: e.Hash, XAttrs: e.XAttrs, Stamp: Stamp{Size: e.Size, Alloc: e.Alloc, ModTime: e.ModTime, UID: e.UID, GID: e.GID}}
		k.Stamp.Ino, k.Stamp.CTime = d.Uvarint(), d.Varint()
		k.Stamp.Mode = uint32(d.Uvarint()) //nolint:gosec // as written
		k.Racy = d.Byte() == 1
		x[e.Path] = k
	}
	if d.Failed() {
		return nil, damaged
	}
	return x, nil
}

// index is what the newest scan of one protected directory found, so that the next
// reads only the files that have changed since.
type index struct {
	files  Index
	scheme manifest.Scheme
	saved  time.Time
}

// scan scans one tree against its index and keeps the new index.
func (k *Kind) scan(ctx context.Context, tree *Tree) (Scan, error) {
	scan, err := tree.Scan(ctx, k.indexOf(tree), k.opt.Now)
	if err != nil {
		return scan, explain(err, tree.Path())
	}
	k.keepIndex(tree, scan.Index, scan.Hashed)
	return scan, nil
}

// enter enters what was just applied to a tree into its index.
func (k *Kind) enter(tree *Tree, work plan.Work) {
	changed := len(work.Put) + len(work.Touch)
	if changed == 0 {
		return
	}
	files := k.indexOf(tree)
	if files == nil {
		files = Index{}
	}
	tree.Learn(files, work, k.opt.Now)
	k.keepIndex(tree, files, changed)
	k.opt.Log.Debug("applied to protected directory", slog.String("path", tree.Path()), slog.Int("files", changed))
}

// indexOf returns what is known of a tree by its scheme.
func (k *Kind) indexOf(tree *Tree) Index {
	path := tree.Path()
	k.mu.Lock()
	known := k.indexes[path]
	k.mu.Unlock()
	if known != nil {
		return known.files.In(tree.Scheme, known.scheme)
	}
	for scheme := manifest.Whole; scheme <= manifest.Newest; scheme++ {
		if files := k.loadIndex(path, scheme); files != nil {
			return files.In(tree.Scheme, scheme)
		}
	}
	return nil
}

func (k *Kind) loadIndex(path string, scheme manifest.Scheme) Index {
	b, err := os.ReadFile(k.indexFile(path, scheme))
	if err != nil {
		return nil
	}
	files, err := ReadIndex(b)
	if err != nil {
		k.opt.Log.Warn("index is unreadable, every file is read again", slog.String("path", path), slog.Any("error", err))
		return nil
	}
	return files
}

func (k *Kind) indexFile(path string, scheme manifest.Scheme) string {
	sum := blake3.Sum256([]byte(path))
	name := hex.EncodeToString(sum[:16])
	if scheme != manifest.Whole {
		name += "-" + strconv.Itoa(int(scheme))
	}
	return filepath.Join(k.opt.Index, name)
}

// indexEvery is how often an index that changes little is written.
const indexEvery = time.Minute

// keepIndex remembers an index, and writes it if losing it would cost much
// reading. It is a cache: it need not survive a power cut.
func (k *Kind) keepIndex(tree *Tree, files Index, hashed int) {
	path := tree.Path()
	k.mu.Lock()
	known := k.indexes[path]
	if known == nil {
		known = &index{}
		k.indexes[path] = known
	}
	known.files, known.scheme = files, tree.Scheme
	due := hashed > 0 && (hashed*50 > len(files) || k.opt.Now().Sub(known.saved) > indexEvery)
	if due {
		known.saved = k.opt.Now()
	}
	k.mu.Unlock()
	if !due {
		return
	}
	file := k.indexFile(path, tree.Scheme)
	err := os.WriteFile(file+".new", files.Append(nil), 0o600)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	for scheme := manifest.Whole; scheme <= manifest.Newest; scheme++ {
		if scheme != tree.Scheme {
			_ = os.Remove(k.indexFile(path, scheme)) // a cache: the worst is that it is read in vain
		}
	}
	if err != nil {
		k.opt.Log.Warn("index could not be written", slog.String("path", path), slog.Any("error", err))
	}
}
