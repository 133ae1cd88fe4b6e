package datasync

import (
	"context"
	"encoding/hex"
	"log/slog"
	"os"
	"time"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/source/directory"
)

// index is what the newest scan of one protected directory found, so that the next
// reads only the files that have changed since.
type index struct {
	files directory.Index
	saved time.Time
}

// scan scans one tree against its index and keeps the new index.
func (e *Engine) scan(ctx context.Context, tree *directory.Tree) (directory.Scan, error) {
	files := e.indexOf(tree.Path())
	scan, err := tree.Scan(ctx, files, e.opt.Now)
	if err != nil {
		return scan, explain(err, tree.Path())
	}
	e.keepIndex(tree.Path(), scan.Index, scan.Hashed)
	return scan, nil
}

func (e *Engine) indexOf(path string) directory.Index {
	e.mu.Lock()
	known := e.indexes[path]
	e.mu.Unlock()
	if known != nil {
		return known.files
	}
	b, err := os.ReadFile(e.indexFile(path))
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

func (e *Engine) indexFile(path string) string {
	sum := blake3.Sum256([]byte(path))
	return e.disk.path("index", hex.EncodeToString(sum[:16]))
}

// indexEvery is how often an index that changes little is written.
const indexEvery = time.Minute

// keepIndex remembers an index, and writes it if losing it would cost much
// reading. It is a cache: it need not survive a power cut.
func (e *Engine) keepIndex(path string, files directory.Index, hashed int) {
	e.mu.Lock()
	known := e.indexes[path]
	if known == nil {
		known = &index{}
		e.indexes[path] = known
	}
	known.files = files
	due := hashed > 0 && (hashed*50 > len(files) || e.opt.Now().Sub(known.saved) > indexEvery)
	if due {
		known.saved = e.opt.Now()
	}
	e.mu.Unlock()
	if !due {
		return
	}
	temp := e.indexFile(path) + ".new"
	err := os.WriteFile(temp, files.Append(nil), 0o600)
	if err == nil {
		err = os.Rename(temp, e.indexFile(path))
	}
	if err != nil {
		e.opt.Log.Warn("index could not be written", slog.String("path", path), slog.Any("error", err))
	}
}
