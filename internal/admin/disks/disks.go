// Package disks looks at the places of protected data for an administrator who waits: whether
// they can be read, how much they hold, and how much room there is.
//
// Start reading at Disks.
package disks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/datasync/source/sqlite"
	"baton/internal/pair"
	"baton/internal/peer/wire"
	"baton/internal/pinned"
)

// Disks tries whether protected data can be read. Nobody waits long for a disk that
// hangs, as a network disk may. There is one try of a path at a time, so that no more than
// one goroutine hangs with it.
type Disks struct {
	mu    sync.Mutex
	under map[pair.Spec]*readTest
}

// readTest is one try to read some data, under way or over.
type readTest struct {
	done  chan struct{} // closed when found is there
	found api.Check
}

// diskWait is how long a page waits for a disk.
const diskWait = 500 * time.Millisecond

// New returns one that tries none yet.
func New() *Disks { return &Disks{under: map[pair.Spec]*readTest{}} }

// At says of some data, as it is here, whether each can be read.
func (l *Disks) At(ctx context.Context, all ...pair.Spec) []api.Check {
	ctx, cancel := context.WithTimeout(ctx, diskWait)
	defer cancel()
	begun := make([]*readTest, len(all))
	for i, spec := range all {
		begun[i] = l.begin(spec)
	}
	found := make([]api.Check, len(all))
	for i, spec := range all {
		one := begun[i]
		select {
		case <-one.done:
		case <-ctx.Done():
		}
		select { // a try that has ended counts, also when the wait has
		case <-one.done:
			found[i] = one.found
		default:
			found[i] = api.Fail("readable", spec.String()+" does not answer.", "Look at its disk or network share: data syncs wait for it.")
		}
	}
	return found
}

func (l *Disks) begin(spec pair.Spec) *readTest {
	l.mu.Lock()
	defer l.mu.Unlock()
	if running := l.under[spec]; running != nil {
		return running
	}
	begun := &readTest{done: make(chan struct{})}
	l.under[spec] = begun
	go func() { // ends when the kernel answers
		begun.found = readable(spec)
		l.mu.Lock()
		delete(l.under, spec)
		l.mu.Unlock()
		close(begun.done)
	}()
	return begun
}

const readableID = "readable"

// readable looks at one piece of protected data.
func readable(spec pair.Spec) api.Check {
	if database, is := spec.(pair.SQLite); is {
		return readableDatabase(string(database.Path))
	}
	return readableDirectory(spec.String())
}

// readableDatabase looks at an SQLite database.
func readableDatabase(path string) api.Check {
	ctx, cancel := context.WithTimeout(context.Background(), diskWait/2)
	defer cancel()
	found, err := sqlite.Look(ctx, path)
	step := sqlite.Remedy(err)
	switch {
	case err == nil && found.Log:
		return api.Pass(readableID, path+" is an SQLite database with a write-ahead log: "+pair.BytesText(found.Bytes)+".")
	case err == nil:
		return api.Pass(readableID, path+" is an SQLite database with a rollback journal: "+pair.BytesText(found.Bytes)+". What changes is found by reading all of it; with journal_mode=WAL it would be found at once.")
	case errors.Is(err, fs.ErrNotExist):
		return api.Fail(readableID, path+" is not there.", step)
	}
	return api.Fail(readableID, path+" cannot be protected as an SQLite database: "+reason(err)+".", cmp.Or(step, "Look at its disk and its permissions."))
}

func readableDirectory(path string) api.Check {
	const id = readableID
	top, err := pinned.Open(path, nil)
	link, led := errors.AsType[*pinned.LinkError](err)
	switch {
	case led:
		return api.Fail(id, link.Link+" is a symbolic link that others than root can change ("+link.Why+"), so it is not followed.",
			"Name the directory that it leads to, or let root alone own the link and every directory above it.")
	case errors.Is(err, fs.ErrNotExist):
		return api.Fail(id, path+" is not there.", "Make it, mount its disk, or correct the path.")
	case errors.Is(err, unix.ENOTDIR):
		return api.Fail(id, path+" is not a directory.", "Name the directory that holds it.")
	case err != nil:
		return api.Fail(id, path+" cannot be looked at: "+reason(err)+".", "Look at its disk and its permissions.")
	}
	defer func() { _ = top.Close() }()
	dir, err := top.Open(".")
	if err == nil {
		_, err = dir.ReadDir(1)
		err = errors.Join(ignoreEOF(err), dir.Close())
	}
	if err != nil {
		return api.Fail(id, path+" cannot be read: "+reason(err)+".", "Look at its disk and its permissions.")
	}
	return api.Pass(id, path+" is there and can be read.")
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// reason is what the kernel says, without the path.
func reason(err error) string {
	if failed, ok := errors.AsType[*fs.PathError](err); ok {
		return failed.Err.Error()
	}
	return cause.Of(err)
}

// Bounds of a measure: an administrator waits for it.
const (
	measureWait  = 3 * time.Second
	measureFiles = 500_000
)

// Measure counts what lies in a directory, as far as a moment allows.
func Measure(ctx context.Context, path string) api.Check {
	ctx, cancel := context.WithTimeout(ctx, measureWait)
	defer cancel()
	var files, bytes int64
	top, err := pinned.Open(path, nil)
	if err == nil {
		err = top.Walk(func(s unix.Stat_t) bool {
			if s.Mode&unix.S_IFMT == unix.S_IFREG {
				files++
				bytes += s.Size
			}
			return ctx.Err() == nil && files < measureFiles
		})
		err = errors.Join(err, top.Close())
	}
	least := ""
	if err != nil || ctx.Err() != nil || files >= measureFiles {
		least = "at least "
	}
	noun := "files"
	if files == 1 {
		noun = "file"
	}
	return api.Pass("size", fmt.Sprintf("It holds %s%d %s, %s.", least, files, noun, pair.BytesText(bytes)))
}

// Databases says which SQLite databases lie in a directory, as far as a moment allows, but for those that are excluded.
func Databases(ctx context.Context, path string, excluded func(path string) bool) []api.Check {
	ctx, cancel := context.WithTimeout(ctx, measureWait)
	defer cancel()
	top, err := pinned.Open(path, nil)
	if err != nil { // it was said already
		return nil
	}
	defer func() { _ = top.Close() }()
	found, err := sqlite.In(ctx, top, excluded)
	if err != nil || len(found) == 0 {
		return nil
	}
	text, step := sqlite.Advice(path, found)
	return []api.Check{api.Warn(api.Fail("databases", text, step))}
}

// Asked answers the peer, which wants to know whether data would fit.
func Asked(_ context.Context, question wire.Room) (wire.RoomAnswer, error) {
	if _, err := pair.ParsePath(question.Path); err != nil {
		return wire.RoomAnswer{}, err
	}
	return Room(question.Path)
}

// Room measures the file system that a path is, or would be, on.
func Room(path string) (wire.RoomAnswer, error) {
	dir, _, err := pinned.Nearest(path)
	if err != nil {
		return wire.RoomAnswer{}, fmt.Errorf("room at %s: %w", path, err)
	}
	defer func() { _ = dir.Close() }()
	var room unix.Statfs_t
	if err := unix.Fstatfs(dir.Fd(), &room); err != nil {
		return wire.RoomAnswer{}, fmt.Errorf("room at %s: %w", path, err)
	}
	return wire.RoomAnswer{Free: int64(room.Bavail) * room.Bsize, Whole: int64(room.Blocks) * room.Bsize}, nil //nolint:gosec // far below 2^63
}
