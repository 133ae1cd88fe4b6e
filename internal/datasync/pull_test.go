package datasync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// motley makes a tree with everything that a sync keeps.
func motley(tb testing.TB, root string) {
	tb.Helper()
	write(tb, root+"/index.html", "hello")
	write(tb, root+"/empty", "")
	write(tb, root+"/deep/er/and/deeper/leaf", "leaf")
	write(tb, root+"/- odd\nname \xff\xfe", "odd") // sorts before the dot of the directory itself
	write(tb, root+"/"+strings.Repeat("n", 255), "long name")
	write(tb, root+"/big", strings.Repeat("0123456789abcdef", 60000))
	must(tb, os.MkdirAll(root+"/hollow/inner", 0o750))
	must(tb, os.Symlink("../nowhere", root+"/dangling"))
	must(tb, os.Symlink("index.html", root+"/page"))
	must(tb, os.Link(root+"/index.html", root+"/deep/hard"))
	must(tb, os.Link(root+"/index.html", root+"/zz-hard"))
	must(tb, syscall.Mkfifo(root+"/pipe", 0o640))
	must(tb, unix.Setxattr(root+"/index.html", "user.colour", []byte("blue\x00green"), 0))
	must(tb, unix.Setxattr(root+"/hollow", "user.dir", []byte("x"), 0))
	must(tb, os.Chmod(root+"/deep", 0o1777))
	write(tb, root+"/program", "#!/bin/sh\n")
	must(tb, syscall.Chmod(root+"/program", 0o4751))
	if os.Geteuid() == 0 {
		must(tb, os.Lchown(root+"/program", 1234, 2345))
		must(tb, syscall.Chmod(root+"/program", 0o6751))
		must(tb, os.Lchown(root+"/dangling", 12, 13))
		must(tb, os.Chown(root+"/hollow", 77, 78))
		write(tb, root+"/locked", "nobody reads")
		must(tb, os.Chmod(root+"/locked", 0))
	}
	acl := "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x04\x00\x39\x30\x00\x00\x04\x00\x04\x00\xff\xff\xff\xff\x10\x00\x04\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff\xff"
	if err := unix.Setxattr(root+"/empty", "system.posix_acl_access", []byte(acl), 0); err != nil {
		tb.Log("no access control lists here:", err)
	}
	sparse, err := os.Create(root + "/sparse")
	must(tb, err)
	must(tb, sparse.Truncate(64<<20))
	_, err = sparse.WriteAt([]byte("island"), 32<<20)
	must(tb, err)
	must(tb, sparse.Close())
	old := time.Unix(1_000_000_000, 123_456_789)
	for _, name := range []string{"/index.html", "/hollow/inner", "/hollow", "/deep/er", "/deep"} {
		must(tb, os.Chtimes(root+name, old, old))
	}
	must(tb, unix.UtimesNanoAt(unix.AT_FDCWD, root+"/dangling", []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: 5, Nsec: 7}}, unix.AT_SYMLINK_NOFOLLOW))
}

func TestFirstPullBringsEverythingAsItIs(t *testing.T) {
	p := newPair(t)
	motley(t, p.primary.tree)
	l, err := net.Listen("unix", p.primary.tree+"/socket")
	must(t, err)
	defer func() { _ = l.Close() }()
	s := p.pull(t)
	if s.Number != 1 || s.Epoch != p.epoch || s != p.backup.Snapshot() || s != p.primary.Confirmed() || s != p.backup.Common() || s != p.primary.Common() {
		t.Fatalf("snapshot %v, kept %v, confirmed %v", s, p.backup.Snapshot(), p.primary.Confirmed())
	}
	if age := time.Now().UnixMilli() - s.TakenAt; age < 0 || age > 20_000 {
		t.Fatalf("taken %d ms ago", age)
	}
	if _, err := os.Lstat(p.backup.tree + "/.baton-staging"); err == nil {
		t.Fatal("staging is left")
	}
	var st syscall.Stat_t
	must(t, syscall.Stat(p.backup.tree+"/sparse", &st))
	if st.Blocks*512 > 1<<20 {
		t.Fatalf("the sparse file takes %d bytes", st.Blocks*512)
	}
	site, _ := os.ReadFile(p.backup.site.path)
	if !strings.HasPrefix(string(site), "settings of "+p.primary.dir) {
		t.Fatalf("site database is %q", site)
	}
}

func TestUnchangedTreeSendsAlmostNothing(t *testing.T) {
	p := newPair(t)
	for i := range 300 {
		write(t, fmt.Sprintf("%s/d%d/f%d", p.primary.tree, i%7, i), strings.Repeat("x", i))
	}
	p.pull(t)
	time.Sleep(30 * time.Millisecond) // let the file system's clock tick on
	p.pull(t)
	before := describe(t, p.backup.tree)
	if s := p.pull(t); s.Number != 3 {
		t.Fatalf("number %d", s.Number)
	}
	if got := p.backup.Progress(); got.Received > 1500 || got.FilesTotal != 0 {
		t.Fatalf("an unchanged tree cost %d bytes, %d files", got.Received, got.FilesTotal)
	}
	if diff := difference(before, describe(t, p.backup.tree)); diff != "" {
		t.Fatal(diff)
	}
}

func TestChangesFollow(t *testing.T) {
	p := newPair(t)
	root := p.primary.tree
	motley(t, root)
	p.pull(t)
	steps := []struct {
		name string
		do   func()
	}{
		{"content of the same size and time", func() {
			var st syscall.Stat_t
			must(t, syscall.Stat(root+"/index.html", &st))
			must(t, os.WriteFile(root+"/index.html", []byte("HELLO"), 0o644))
			must(t, os.Chtimes(root+"/index.html", time.Unix(1_000_000_000, 123_456_789), time.Unix(1_000_000_000, 123_456_789)))
		}},
		{"mode only", func() { must(t, os.Chmod(root+"/big", 0o600)) }},
		{"attribute gone", func() { must(t, unix.Removexattr(root+"/hollow", "user.dir")) }},
		{"hard link broken up", func() {
			must(t, os.Remove(root+"/deep/hard"))
			write(t, root+"/deep/hard", "on its own")
		}},
		{"first name of a file removed", func() { must(t, os.Remove(root+"/index.html")) }},
		{"file becomes directory", func() {
			must(t, os.Remove(root+"/empty"))
			write(t, root+"/empty/no/more", "x")
		}},
		{"directory becomes file", func() {
			must(t, os.RemoveAll(root+"/deep"))
			write(t, root+"/deep", "flat")
		}},
		{"directory becomes symlink", func() {
			must(t, os.RemoveAll(root+"/hollow"))
			must(t, os.Symlink("/etc", root+"/hollow"))
		}},
		{"directory renamed", func() { must(t, os.Rename(root+"/empty", root+"/full")) }},
		{"everything gone but one", func() {
			names, _ := os.ReadDir(root)
			for _, n := range names[1:] {
				must(t, os.RemoveAll(filepath.Join(root, n.Name())))
			}
		}},
	}
	for _, step := range steps {
		step.do()
		t.Log(step.name)
		p.pull(t)
	}
}

func TestDriftOnTheBackupIsRepaired(t *testing.T) {
	p := newPair(t)
	motley(t, p.primary.tree)
	p.pull(t)
	must(t, os.WriteFile(p.backup.tree+"/index.html", []byte("wrong"), 0o644))
	must(t, os.Remove(p.backup.tree+"/big"))
	write(t, p.backup.tree+"/extra/file", "x")
	p.pull(t)
}

func TestRenamedFilesAreNotSentAgain(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/a/file", string(bytes.Repeat([]byte("random enough "), 100_000)))
	p.pull(t)
	must(t, os.Rename(p.primary.tree+"/a", p.primary.tree+"/b"))
	p.pull(t)
	if got := p.backup.Progress().Received; got > 20_000 {
		t.Fatalf("a renamed directory cost %d bytes", got)
	}
}

// TestAnyChangesFollow changes random things in random trees.
func TestAnyChangesFollow(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := newPair(t)
		defer p.server.Close()
		root := p.primary.tree
		for range rapid.IntRange(1, 3).Draw(r, "pulls") {
			for range rapid.IntRange(0, 8).Draw(r, "changes") {
				mutate(r, root)
			}
			_, err := p.tryPull(t, Request{AcceptShrink: true})
			if err != nil {
				r.Fatal(err)
			}
			if diff := difference(describe(t, root), describe(t, p.backup.tree)); diff != "" {
				r.Fatal(diff)
			}
		}
	})
}

// mutate does one random thing to a tree. What cannot be done is not done. No
// link leads out of it: some of these changes follow links.
func mutate(r *rapid.T, root string) {
	path := func(label string) string {
		name := rapid.SampledFrom([]string{"a", "b", "c", "a/a", "a/b", "b/a", "b/b/c", "a/b/c"})
		return filepath.Join(root, name.Draw(r, label))
	}
	at := path("path")
	_ = os.MkdirAll(filepath.Dir(at), 0o755)
	switch rapid.IntRange(0, 9).Draw(r, "change") {
	case 0, 1:
		_ = os.WriteFile(at, bytes.Repeat([]byte{rapid.Byte().Draw(r, "byte")}, rapid.IntRange(0, 300_000).Draw(r, "size")), 0o644)
	case 2:
		_ = os.MkdirAll(at, 0o755)
	case 3:
		_ = os.RemoveAll(at)
	case 4:
		_ = os.Symlink(rapid.SampledFrom([]string{"a", "../b", "/no/such/place"}).Draw(r, "target"), at)
	case 5:
		_ = os.Link(path("other"), at)
	case 6:
		_ = os.Rename(path("other"), at)
	case 7:
		readable := os.FileMode(0o400)
		if info, err := os.Stat(at); err == nil && info.IsDir() && os.Geteuid() != 0 {
			readable = 0o700 // or nobody but root could scan it
		}
		_ = os.Chmod(at, readable|os.FileMode(rapid.IntRange(0, 0o377).Draw(r, "mode")))
	case 8:
		when := time.Unix(int64(rapid.IntRange(-1000, 1<<31).Draw(r, "seconds")), int64(rapid.IntRange(0, 999_999_999).Draw(r, "ns")))
		_ = os.Chtimes(at, when, when)
	case 9:
		_ = unix.Lsetxattr(at, "user.x", []byte{rapid.Byte().Draw(r, "value")}, 0)
	}
}

// TestATakeoverLeavesNothingStaged has data staged that is no part of the newest snapshot, as a database server ran there.
func TestATakeoverLeavesNothingStaged(t *testing.T) {
	p := newPair(t)
	postgres{}.end(t, p.primary.tree)
	postgres{}.begin(t, p.primary.tree)
	p.mustPull(t)
	postgres{}.end(t, p.primary.tree)
	ctx, cancel := context.WithCancel(t.Context())
	p.backup.opt.Hook = func(step string) {
		if step == "sync-staging" {
			cancel()
		}
	}
	p.backup.reopen(t)
	if _, err := p.backup.Pull(ctx, p.server.Client(), p.server.URL, Request{Epoch: p.epoch}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	must(t, p.backup.Settle(t.Context()))
	if names, err := os.ReadDir(p.backup.tree); err != nil || len(names) > 0 {
		t.Errorf("left are %v, %v", names, err)
	}
}
