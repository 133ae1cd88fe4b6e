package scan

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/tree"
)

// stoppedAtSecond is a context that is over from the second question on.
type stoppedAtSecond struct {
	context.Context //nolint:containedctx // it is one

	stop  func()
	asked int
}

func (c *stoppedAtSecond) Err() error {
	if c.asked++; c.asked > 1 {
		c.stop()
	}
	return c.Context.Err()
}

// TestAScanEndsWhenItIsStopped has many names in one directory, and stops the scan while
// it lists them, and while it reads the files: a takeover waits for that.
func TestAScanEndsWhenItIsStopped(t *testing.T) {
	const many = 2000
	pipes, files := t.TempDir(), t.TempDir()
	for i := range many {
		name := strconv.Itoa(i)
		if err := errors.Join(unix.Mkfifo(filepath.Join(pipes, name), 0o600), os.WriteFile(filepath.Join(files, name), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	scan := func(dir string, ctx context.Context, now func() time.Time) {
		opened, err := tree.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = opened.Close() }()
		if found, err := Whole(ctx, opened, manifest.Listing{}, now, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %d names, %v", found.Listing.Sum().Entries, err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	scan(pipes, &stoppedAtSecond{Context: ctx, stop: stop}, time.Now)
	ctx, stop = context.WithCancel(t.Context())
	scan(files, ctx, func() time.Time { stop(); return time.Now() })
}
