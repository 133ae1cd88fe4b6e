package directory

import (
	"context"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/tree"
)

// index is what the newest scan of one protected directory found, so that the next
// reads only the files that have changed since.
type index struct {
	files  manifest.Listing
	scheme manifest.Scheme
	saved  time.Time
}

// scan scans one tree against its index and keeps the new index.
func (k *Kind) scan(ctx context.Context, dir *tree.Tree) (tree.Scan, error) {
	scan, err := dir.Scan(ctx, k.indexOf(dir), k.opt.Now)
	if err != nil {
		return scan, explain(err, dir.Path())
	}
	k.keepIndex(dir, scan.Listing, scan.Hashed)
	return scan, nil
}

// enter enters what was just applied to a tree into its index.
func (k *Kind) enter(dir *tree.Tree, have, want manifest.Listing) {
	files, err := dir.Applied(have, want, k.opt.Now)
	if err != nil {
		k.opt.Log.Warn("what was applied is not remembered, and is read again", slog.String("path", dir.Path()), slog.Any("error", err))
		return
	}
	k.keepIndex(dir, files, 1)
}

// indexOf returns what is known of a tree by its scheme.
func (k *Kind) indexOf(dir *tree.Tree) manifest.Listing {
	path := dir.Path()
	k.mu.Lock()
	known := k.indexes[path]
	k.mu.Unlock()
	if known != nil {
		return tree.In(dir.Scheme, known.scheme, known.files)
	}
	for scheme := manifest.Whole; scheme <= manifest.Newest; scheme++ {
		if files := k.loadIndex(path, scheme); !files.IsZero() {
			return tree.In(dir.Scheme, scheme, files)
		}
	}
	return manifest.Listing{}
}

func (k *Kind) loadIndex(path string, scheme manifest.Scheme) manifest.Listing {
	b, err := os.ReadFile(k.indexFile(path, scheme))
	if err != nil {
		return manifest.Listing{}
	}
	files, err := manifest.ReadCache(b)
	if err != nil {
		k.opt.Log.Warn("index is unreadable, every file is read again", slog.String("path", path), slog.Any("error", err))
		return manifest.Listing{}
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
func (k *Kind) keepIndex(dir *tree.Tree, files manifest.Listing, hashed int) {
	path := dir.Path()
	k.mu.Lock()
	known := k.indexes[path]
	if known == nil {
		known = &index{}
		k.indexes[path] = known
	}
	known.files, known.scheme = files, dir.Scheme
	due := hashed > 0 && (int64(hashed)*50 > files.Sum().Files || k.opt.Now().Sub(known.saved) > indexEvery)
	if due {
		known.saved = k.opt.Now()
	}
	k.mu.Unlock()
	if !due {
		return
	}
	file := k.indexFile(path, dir.Scheme)
	err := os.WriteFile(file+".new", files.AppendCache(nil), 0o600)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	for scheme := manifest.Whole; scheme <= manifest.Newest; scheme++ {
		if scheme != dir.Scheme {
			_ = os.Remove(k.indexFile(path, scheme)) // a cache: the worst is that it is read in vain
		}
	}
	if err != nil {
		k.opt.Log.Warn("index could not be written", slog.String("path", path), slog.Any("error", err))
	}
}
