package datasync

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

// TestHostilePrimaryOfALargeFile sends differences from what the backup does not have.
func TestHostilePrimaryOfALargeFile(t *testing.T) {
	const size = 2 << 20
	old := noise(size)
	want := manifest.Entry{Path: "f", Kind: manifest.File, Mode: 0o644, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), Size: size}
	h := manifest.Newest.Hash(size)
	_, _ = h.Write([]byte("x" + old[1:]))
	want.Hash = h.Sum()
	top := manifest.Entry{Path: ".", Kind: manifest.Dir, Mode: 0o755, UID: want.UID, GID: want.GID}
	same := func(from, n int64) func(*wire.Writer) {
		return func(out *wire.Writer) { _ = out.Frame(wire.Same, wire.AppendStretch(nil, from, n)) }
	}
	data := func(b string) func(*wire.Writer) {
		return func(out *wire.Writer) { _ = out.Frame(wire.Data, []byte(b)) }
	}
	frame := func(kind wire.Kind) func(*wire.Writer) { return func(out *wire.Writer) { _ = out.Frame(kind, nil) } }
	for name, frames := range map[string][]func(*wire.Writer){
		"beyond the end": {same(0, size+1)},
		"from the end":   {same(size, 1)},
		"nothing":        {same(5, 0)},
		"far beyond":     {same(1<<62, 1<<62)},
		"no numbers":     {frame(wire.Same)},
		"all the same":   {same(0, size), frame(wire.Done)},
		"overlapping":    {data("x"), same(0, size/2), same(0, size-1), frame(wire.Done)},
		"too short":      {data("x"), same(1, size/2), frame(wire.Done)},
		"endless": {func(out *wire.Writer) {
			for out.Frame(wire.Same, wire.AppendStretch(nil, 1, size-1)) == nil {
			}
		}},
		"sums in it":        {data("x"), frame(wire.Sums)},
		"after a restart":   {data("x"), frame(wire.Restart), same(0, size)},
		"sums for ever":     {frame(wire.Sums)},
		"sums, a restarted": {frame(wire.Restart), frame(wire.Sums)},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			dir := t.TempDir()
			b := newAppliance(t, dir, filepath.Join(dir, "tree"))
			write(t, b.tree+"/f", old)
			hostile := &hostile{
				lists: lists{pair.Data{Name: "files", Spec: pair.Directory{Path: "/srv/files"}}, []manifest.Entry{top, want}},
				alter: func(h *wire.Header) { h.Scheme = manifest.Newest },
				content: func(out *wire.Writer) {
					for _, f := range frames {
						f(out)
					}
					_ = out.Frame(wire.End, nil)
				},
			}
			server := httptest.NewServer(hostile)
			defer server.Close()
			if _, err := b.Pull(t.Context(), server.Client(), server.URL, Request{Epoch: pair.Epoch{Counter: 1, Holder: "a"}}); err == nil || !b.Snapshot().IsZero() {
				t.Fatalf("accepted: %v", b.Snapshot())
			}
			if got, err := os.ReadFile(b.tree + "/f"); err != nil || string(got) != old {
				t.Fatal("the old file is gone")
			}
		})
	}
}

// TestALargeFileThatIsWrittenToOnTheBackup is written to when what differs has come, and before it is put into place.
func TestALargeFileThatIsWrittenToOnTheBackup(t *testing.T) {
	for _, step := range []string{"make-staging", "save-manifest", "sync-staging", "recorded"} {
		t.Run(step, func(t *testing.T) {
			p := newPair(t)
			path := p.primary.tree + "/f"
			write(t, path, noise(largeSize))
			p.pull(t)
			edit(t, path, 5<<20, "changed")
			once := true
			p.backup.opt.Hook = func(at string) {
				if at == "save-state" {
					time.Sleep(50 * time.Millisecond) // so that the clock of the file system tells what comes later
				}
				if at == step && once {
					once = false
					edit(t, p.backup.tree+"/f", 9<<20, "scribbled")
				}
			}
			p.backup.reopen(t)
			before := p.backup.Snapshot().Number
			_, err := p.tryPull(t, Request{})
			if torn := p.backup.Torn(); torn != nil || (err != nil && p.backup.Snapshot().Number != before) {
				t.Errorf("%v, %v, and snapshot %d", err, torn, p.backup.Snapshot().Number)
			}
			p.pull(t) // the scribble is found and undone
		})
	}
}

// TestWhatIsWrittenBeforeALargeFileIsChangedStays has a program on the backup write to a file right before it would be changed in its place.
func TestWhatIsWrittenBeforeALargeFileIsChangedStays(t *testing.T) {
	p := newPair(t)
	path := p.primary.tree + "/f"
	write(t, path, noise(largeSize))
	p.pull(t)
	edit(t, path, 5<<20, "changed")
	there := p.backup.tree + "/f"
	var wrote []byte
	p.backup.opt.Hook = func(at string) {
		if at == "apply" && wrote == nil {
			time.Sleep(50 * time.Millisecond) // so that the clock of the file system tells it from what was before
			edit(t, there, 5<<20, "written here")
			edit(t, there, largeSize, "at the end")
			var err error
			wrote, err = os.ReadFile(there)
			must(t, err)
		}
	}
	p.backup.reopen(t)
	if _, err := p.tryPull(t, Request{}); err == nil {
		t.Fatal("what was written on the backup was replaced")
	}
	if now, err := os.ReadFile(there); err != nil || !bytes.Equal(now, wrote) {
		t.Errorf("what was written on the backup is not there any more: %d bytes, %v", len(now), err)
	}
	if torn := p.backup.Torn(); torn != nil {
		t.Error(torn)
	}
	p.pull(t)
}

// TestALargeFileChangesOnADiskThatIsNearlyFull has room for what differs, and not for the file; and then not for that.
func TestALargeFileChangesOnADiskThatIsNearlyFull(t *testing.T) {
	p := newPair(t)
	must(t, os.MkdirAll(p.backup.tree, 0o755))
	if err := syscall.Mount("tmpfs", p.backup.tree, "tmpfs", 0, "size=40m"); err != nil {
		t.Skip("skipped: no file system of its own can be had here:", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(p.backup.tree, syscall.MNT_DETACH) })
	path := p.primary.tree + "/f"
	write(t, path, noise(largeSize))
	p.pull(t)
	edit(t, path, 1<<20, noise(7<<20))
	p.pull(t)
	content, err := os.ReadFile(p.backup.tree + "/f")
	must(t, err)
	edit(t, path, largeSize, noise(10<<20))
	p.refused(t, Request{}, source.ErrNoRoom)
	if now, err := os.ReadFile(p.backup.tree + "/f"); err != nil || !bytes.Equal(now, content) {
		t.Error("the file is not as it was", err)
	}
	if _, err := os.Stat(p.backup.opt.Dir + "/journal.json"); !errors.Is(err, os.ErrNotExist) {
		t.Error("it was found out only when the steps were taken")
	}
	must(t, os.Truncate(path, largeSize))
	p.pull(t)
}
