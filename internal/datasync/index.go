package datasync

import (
	"context"
	"encoding/hex"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/plan"
	"baton/internal/datasync/source/directory"
)

// index is what the newest scan of one protected directory found, so that the next
// reads only the files that have changed since.
type index struct {
	files  directory.Index
	scheme plan.Scheme
	saved  time.Time
}

// scan scans one tree against its index and keeps the new index.
func (e *Engine) scan(ctx context.Context, tree *directory.Tree) (directory.Scan, error) {
	files := e.indexOf(tree)
	scan, err := tree.Scan(ctx, files, e.opt.Now)
	if err != nil {
		return scan, explain(err, tree.Path())
	}
	e.keepIndex(tree, scan.Index, scan.Hashed)
	return scan, nil
}

// indexOf returns what is known of a tree by its scheme.
func (e *Engine) indexOf(tree *directory.Tree) directory.Index {
	path := tree.Path()
	e.mu.Lock()
	known := e.indexes[path]
	e.mu.Unlock()
	if known != nil {
		return known.files.In(tree.Scheme, known.scheme)
	}
	for scheme := plan.Whole; scheme <= plan.Newest; scheme++ {
		if files := e.loadIndex(path, scheme); files != nil {
			return files.In(tree.Scheme, scheme)
		}
	}
	return nil
}

func (e *Engine) loadIndex(path string, scheme plan.Scheme) directory.Index {
	b, err := os.ReadFile(e.indexFile(path, scheme))
	if err != nil {
		return nil
	}
	files, err := directory.ReadIndex(b)
	if err != nil {
		e.opt.Log.Warn("index is unreadable, every file is read again", slog.String("path", path), slog.Any("error", err))
		return nil
	}
	return files
}

func (e *Engine) indexFile(path string, scheme plan.Scheme) string {
	sum := blake3.Sum256([]byte(path))
	name := hex.EncodeToString(sum[:16])
	if scheme != plan.Whole {
		name += "-" + strconv.Itoa(int(scheme))
	}
	return e.disk.path("index", name)
}

// indexEvery is how often an index that changes little is written.
const indexEvery = time.Minute

// keepIndex remembers an index, and writes it if losing it would cost much
// reading. It is a cache: it need not survive a power cut.
func (e *Engine) keepIndex(tree *directory.Tree, files directory.Index, hashed int) {
	path := tree.Path()
	e.mu.Lock()
	known := e.indexes[path]
	if known == nil {
		known = &index{}
		e.indexes[path] = known
	}
	known.files, known.scheme = files, tree.Scheme
	due := hashed > 0 && (hashed*50 > len(files) || e.opt.Now().Sub(known.saved) > indexEvery)
	if due {
		known.saved = e.opt.Now()
	}
	e.mu.Unlock()
	if !due {
		return
	}
	file := e.indexFile(path, tree.Scheme)
	err := os.WriteFile(file+".new", files.Append(nil), 0o600)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	for scheme := plan.Whole; scheme <= plan.Newest; scheme++ {
		if scheme != tree.Scheme {
			_ = os.Remove(e.indexFile(path, scheme)) // a cache: the worst is that it is read in vain
		}
	}
	if err != nil {
		e.opt.Log.Warn("index could not be written", slog.String("path", path), slog.Any("error", err))
	}
}
