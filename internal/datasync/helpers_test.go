package datasync

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/pair"
)

// fileSite is a site database that is one file.
type fileSite struct{ path string }

func (s fileSite) Export(_ context.Context, w io.Writer) error {
	b, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "site %d\n%s", len(b), b)
	return err
}

func (s fileSite) Import(_ context.Context, r io.Reader) error {
	var n int
	if _, err := fmt.Fscanf(r, "site %d\n", &n); err != nil {
		return err
	}
	b, err := io.ReadAll(r)
	if err != nil || len(b) != n {
		return errors.Join(err, errors.New("truncated"))
	}
	if err := os.WriteFile(s.path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(s.path+".new", s.path)
}

func (s fileSite) Copy(_ context.Context, path string) error {
	b, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

// appliance is one engine with its data and its site database.
type appliance struct {
	*Engine
	dir  string // of everything
	opt  Options
	tree string // where the protected directory lies
	data pair.Data
	site fileSite
}

func newAppliance(t testing.TB, dir, tree string) *appliance {
	t.Helper()
	a := &appliance{dir: dir, site: fileSite{filepath.Join(dir, "site")}}
	must(t, os.MkdirAll(dir, 0o700))
	if _, err := os.Stat(a.site.path); err != nil {
		must(t, os.WriteFile(a.site.path, []byte("settings of "+dir), 0o600))
	}
	a.tree = tree
	a.data = pair.Data{Name: "files", Kind: pair.DataDirectory, Path: "/srv/files"}
	a.opt = Options{Dir: filepath.Join(dir, "sync"), Site: a.site, Place: func(pair.Data) string { return tree }, Log: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	a.reopen(t)
	return a
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func (a *appliance) reopen(t testing.TB) {
	t.Helper()
	e, err := Open(t.Context(), a.opt)
	must(t, err)
	a.Engine = e
	e.Protect([]pair.Data{a.data})
}

// pairOf is a primary with its server, and a backup. Both protect /srv/files and
// keep it in places of their own.
type pairOf struct {
	primary, backup *appliance
	epoch           pair.Epoch
	server          *httptest.Server
}

func newPair(t testing.TB) *pairOf {
	t.Helper()
	dir := t.TempDir()
	p := &pairOf{epoch: pair.Epoch{Counter: 1, Holder: "a"}}
	p.primary = newAppliance(t, filepath.Join(dir, "primary"), filepath.Join(dir, "primary", "tree"))
	p.backup = newAppliance(t, filepath.Join(dir, "backup"), filepath.Join(dir, "backup", "tree"))
	must(t, os.MkdirAll(p.primary.tree, 0o755))
	p.primary.Offer(p.epoch)
	p.server = httptest.NewServer(p.primary.Handler())
	t.Cleanup(p.server.Close)
	return p
}

func (p *pairOf) pull(t testing.TB) pair.Snapshot {
	t.Helper()
	s, err := p.tryPull(t, Request{})
	must(t, err)
	same(t, p.primary.tree, p.backup.tree)
	return s
}

func (p *pairOf) tryPull(t testing.TB, req Request) (pair.Snapshot, error) {
	t.Helper()
	if req.Epoch.IsZero() {
		req.Epoch = p.epoch
	}
	return p.backup.Pull(t.Context(), p.server.Client(), p.server.URL, req)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// describe renders a tree with all that a sync keeps, the staging left out.
func describe(t testing.TB, root string) []string {
	t.Helper()
	inodes, lines := map[uint64]string{}, []string(nil)
	must(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if rel == ".baton-staging" {
			return fs.SkipDir
		}
		var s syscall.Stat_t
		if err := syscall.Lstat(path, &s); err != nil {
			return err
		}
		line := fmt.Sprintf("%q mode=%o uid=%d gid=%d mtime=%d", rel, s.Mode, s.Uid, s.Gid, s.Mtim.Nano())
		switch s.Mode & syscall.S_IFMT {
		case syscall.S_IFSOCK:
			return nil
		case syscall.S_IFLNK:
			target, _ := os.Readlink(path)
			line += " -> " + target
		case syscall.S_IFREG:
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if first, ok := inodes[s.Ino]; ok {
				line += " same as " + first
			} else {
				inodes[s.Ino] = rel
			}
			line += fmt.Sprintf(" size=%d content=%x", len(b), digestOf(b))
		}
		lines = append(lines, line+xattrsOf(path))
		return nil
	}))
	return lines
}

func xattrsOf(path string) string {
	names := make([]byte, 4096)
	n, err := unix.Llistxattr(path, names)
	if err != nil || n == 0 {
		return ""
	}
	var out []string
	for name := range bytes.SplitSeq(names[:n-1], []byte{0}) {
		value := make([]byte, 4096)
		n, err := unix.Lgetxattr(path, string(name), value)
		if err == nil {
			out = append(out, fmt.Sprintf(" %s=%x", name, value[:n]))
		}
	}
	sort.Strings(out)
	return strings.Join(out, "")
}

func same(t testing.TB, a, b string) {
	t.Helper()
	if diff := difference(describe(t, a), describe(t, b)); diff != "" {
		t.Fatalf("trees differ:\n%s", diff)
	}
}

func difference(a, b []string) string {
	in := func(list []string, line string) bool {
		for _, l := range list {
			if l == line {
				return true
			}
		}
		return false
	}
	var out []string
	for _, l := range a {
		if !in(b, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range b {
		if !in(a, l) {
			out = append(out, "+ "+l)
		}
	}
	return strings.Join(out, "\n")
}

func write(t testing.TB, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), 0o644))
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never happened: " + what)
		}
	}
}

func digestOf(b []byte) [32]byte { return sha256.Sum256(b) }
