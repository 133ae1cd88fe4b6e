package directory

import (
	"bytes"
	"context"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/scan"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/pair/exclude"
)

// index is what the newest scan of one protected directory found, so that the next
// reads only the files that have changed since, and looks at no more than what is noticed.
type index struct {
	scanning sync.Mutex // one scan at a time

	mu      sync.Mutex
	files   manifest.Listing
	scheme  manifest.Scheme
	but     exclude.Patterns // what was excluded when it was looked at
	saved   time.Time
	agreed  manifest.Listing         // what both appliances had last, with the notes of this one; zero: not known
	moving  map[string]source.Moving // by path: what kept changing when it was looked at last
	servers scan.Servers             // the directories of database servers in files; nil: not known
	lacked  map[string]bool          // those of which the peer has another state than its newest snapshot, until it has a newer one
	following
	rereading
}

// indexOf returns the index of a tree, with what is known by its scheme.
func (k *Kind) indexOf(dir *tree.Tree) *index {
	x := k.indexAt(dir.Path())
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.files.IsZero() {
		for scheme := manifest.Whole; scheme <= manifest.Newest && x.files.IsZero(); scheme++ {
			x.files, x.scheme = k.loadIndex(dir.Path(), scheme), scheme
		}
		x.saved, x.read = k.opt.Now(), k.opt.Now() // what was read need not be written at once, nor read again
	}
	if x.scheme != dir.Scheme {
		x.files, x.scheme = manifest.NotesIn(dir.Scheme, x.scheme, x.files), dir.Scheme
		x.stop()
	}
	if but := dir.Exclude.Patterns(); x.but != but { // what is not excluded any more is not followed
		x.but = but
		x.stop()
	}
	return x
}

func (k *Kind) indexAt(path string) *index {
	k.mu.Lock()
	defer k.mu.Unlock()
	x := k.indexes[path]
	if x == nil {
		x = &index{}
		k.indexes[path] = x
	}
	return x
}

// unfollow has the next scan look at the whole.
func (x *index) unfollow() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.stop()
}

// known returns what the newest scan found.
func (x *index) known() manifest.Listing {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.files
}

// scan looks at a tree: at what was noticed, if it is followed, or at the whole.
func (k *Kind) scan(ctx context.Context, dir *tree.Tree, purpose source.Purpose) (scan.Result, error) {
	x := k.indexOf(dir)
	x.scanning.Lock()
	defer x.scanning.Unlock()
	var found scan.Result
	err, look := errNotFollowed, k.whole
	if purpose == source.Final {
		look = k.final
	} else if found, err = k.follow(ctx, dir, x); err != nil {
		x.unfollow() // what was noticed is forgotten by now
	}
	if err != nil && ctx.Err() == nil {
		if found, err = look(ctx, dir, x); err == nil {
			x.noteMoving(found.Moving, func(string) bool { return true })
			x.mu.Lock()
			x.servers = found.Servers
			x.mu.Unlock()
		}
	}
	if err != nil {
		return found, explain(err, dir.Path())
	}
	k.keepIndex(dir, x, found.Listing, found.Hashed)
	found.Moving = x.movingNow()
	found.Servers = x.knownServers()
	return found, nil
}

// enter enters what was just applied to a tree into its index.
func (k *Kind) enter(dir *tree.Tree, have, want manifest.Listing) {
	x := k.indexOf(dir)
	x.scanning.Lock()
	defer x.scanning.Unlock()
	files, applied, err := dir.Applied(x.known(), have, want, k.opt.Now)
	if err != nil {
		k.opt.Log.Warn("what was applied is not remembered, and is looked at again", slog.String("path", dir.Path()), slog.Any("error", err))
		x.unfollow()
		return
	}
	k.keepIndex(dir, x, files, applied)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.servers = nil
}

// loadIndex reads the index that was written last, if that was since the machine started. A power cut can leave a file
// with content that is newer than its times, as a program that calls fdatasync makes the one durable
// and not the other: then the times say nothing, and neither does the index.
func (k *Kind) loadIndex(path string, scheme manifest.Scheme) manifest.Listing {
	b, err := os.ReadFile(k.indexFile(path, scheme))
	if err != nil {
		return manifest.Listing{}
	}
	boot, b, _ := bytes.Cut(b, []byte{'\n'})
	if string(boot) != k.opt.Boot {
		k.opt.Log.Info("the machine was started anew, every file is read again", slog.String("path", path))
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
func (k *Kind) keepIndex(dir *tree.Tree, x *index, files manifest.Listing, hashed int) {
	x.mu.Lock()
	x.files = files
	due := hashed > 0 && (int64(hashed)*50 > files.Sum().Files || k.opt.Now().Sub(x.saved) > indexEvery)
	if due {
		x.saved = k.opt.Now()
	}
	x.mu.Unlock()
	if !due {
		return
	}
	file := k.indexFile(dir.Path(), dir.Scheme)
	err := os.WriteFile(file+".new", files.AppendCache(append([]byte(k.opt.Boot), '\n')), 0o600)
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	for scheme := manifest.Whole; scheme <= manifest.Newest; scheme++ {
		if scheme != dir.Scheme {
			_ = os.Remove(k.indexFile(dir.Path(), scheme)) // a cache: the worst is that it is read in vain
		}
	}
	if err != nil {
		k.opt.Log.Warn("index could not be written", slog.String("path", dir.Path()), slog.Any("error", err))
	}
}
