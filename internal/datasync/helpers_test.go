package datasync

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory"
	"baton/internal/datasync/source/site"
	"baton/internal/datasync/source/sqlite"
	"baton/internal/datasync/wire"
	"baton/internal/durable"
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
	return durable.Replace(s.path, b)
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
	dir      string // of everything
	opt      Options
	dirs     directory.Options
	database site.Database
	tree     string // where the protected directory lies
	data     pair.Data
	site     fileSite
}

func newAppliance(tb testing.TB, dir, tree string) *appliance {
	tb.Helper()
	a := &appliance{}
	a.configure(tb, dir, tree)
	a.reopen(tb)
	return a
}

func (a *appliance) configure(tb testing.TB, dir, tree string) {
	tb.Helper()
	a.dir, a.site = dir, fileSite{filepath.Join(dir, "site")}
	must(tb, os.MkdirAll(dir, 0o700))
	if _, err := os.Stat(a.site.path); err != nil {
		must(tb, os.WriteFile(a.site.path, []byte("settings of "+dir), 0o600))
	}
	a.tree = tree
	a.data = pair.Data{Name: "files", Spec: pair.Directory{Path: "/srv/files"}}
	place := func(d pair.Data) string {
		if d.Same(a.data) {
			return tree
		}
		return d.Spec.String()
	}
	own := filepath.Join(dir, "sync")
	log := slog.New(slog.NewTextHandler(testWriter{tb}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	a.dirs = directory.Options{Index: filepath.Join(own, "index"), Own: []string{own}, Place: place, Log: log, Boot: os.Getenv("BATON_BOOT")}
	a.database = a.site
	a.opt = Options{Points: 3, PointsApart: 1, Dir: own, Data: func(context.Context) ([]pair.Data, error) { return []pair.Data{a.data}, nil }, Log: log}
}

type testWriter struct{ tb testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.tb.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func (a *appliance) reopen(tb testing.TB) {
	tb.Helper()
	a.makeKinds(tb)
	e, err := Open(tb.Context(), a.opt)
	must(tb, err)
	a.Engine = e
}

// kindsMade counts the kinds of directories that tests have made. Each may hold one of the system's few inotify instances until it is collected.
var kindsMade atomic.Int32

// makeKinds makes the kinds of data anew, as a start does.
func (a *appliance) makeKinds(tb testing.TB) {
	tb.Helper()
	const atOnce = 16
	if kindsMade.Add(1)%atOnce == 0 {
		runtime.GC()
	}
	a.dirs.Now = a.opt.Now
	dirs, err := directory.New(a.dirs)
	must(tb, err)
	database, err := site.New(a.database, filepath.Join(a.opt.Dir, "site"))
	must(tb, err)
	databases, err := sqlite.New(sqlite.Options{
		Index: filepath.Join(a.opt.Dir, "sqlite"), Own: a.dirs.Own, Log: a.opt.Log, Boot: a.dirs.Boot,
		Place: func(d pair.Data) string { return filepath.Join(a.dir, d.Spec.String()) },
	})
	must(tb, err)
	a.opt.Kinds = map[pair.DataKind]source.Kind{pair.DataDirectory: dirs, pair.DataSite: database, pair.DataSQLite: databases}
}

// export copies a diverged copy to a directory.
func (a *appliance) export(id, dir string) error {
	path, err := a.Diverged.Path(id)
	if err != nil {
		return err
	}
	return directory.Export(context.Background(), path, dir)
}

// pairOf is a primary with its server, and a backup. Both protect /srv/files and
// keep it in places of their own.
type pairOf struct {
	primary, backup *appliance
	epoch           pair.Epoch
	server          *httptest.Server
}

func newPair(tb testing.TB) *pairOf {
	tb.Helper()
	dir := tb.TempDir()
	p := &pairOf{epoch: pair.Epoch{Counter: 1, Holder: "a"}}
	p.primary = newAppliance(tb, filepath.Join(dir, "primary"), filepath.Join(dir, "primary", "tree"))
	p.backup = newAppliance(tb, filepath.Join(dir, "backup"), filepath.Join(dir, "backup", "tree"))
	must(tb, os.MkdirAll(p.primary.tree, 0o755))
	p.primary.Offer(p.epoch)
	p.server = httptest.NewServer(p.primary.Handler())
	tb.Cleanup(p.server.Close)
	return p
}

func (p *pairOf) pull(tb testing.TB) pair.Snapshot {
	tb.Helper()
	s, err := p.tryPull(tb, Request{})
	must(tb, err)
	same(tb, p.primary.tree, p.backup.tree)
	return s
}

func (p *pairOf) tryPull(tb testing.TB, req Request) (pair.Snapshot, error) {
	tb.Helper()
	if req.Epoch.IsZero() {
		req.Epoch = p.epoch
	}
	return p.backup.Pull(tb.Context(), p.server.Client(), p.server.URL, req)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// describe renders a tree with all that a sync keeps, the staging left out.
func describe(tb testing.TB, root string) []string {
	tb.Helper()
	inodes, lines := map[uint64]string{}, []string(nil)
	must(tb, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if rel == ".baton-staging" || rel == ".baton-points" {
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
	slices.Sort(out)
	return strings.Join(out, "")
}

func same(tb testing.TB, a, b string) {
	tb.Helper()
	if diff := difference(describe(tb, a), describe(tb, b)); diff != "" {
		tb.Fatalf("trees differ:\n%s", diff)
	}
}

func difference(a, b []string) string {
	var out []string
	for _, l := range a {
		if !slices.Contains(b, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range b {
		if !slices.Contains(a, l) {
			out = append(out, "+ "+l)
		}
	}
	return strings.Join(out, "\n")
}

func write(tb testing.TB, path, content string) {
	tb.Helper()
	must(tb, os.MkdirAll(filepath.Dir(path), 0o755))
	must(tb, os.WriteFile(path, []byte(content), 0o644))
}

func waitFor(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatal("never happened: " + what)
		}
	}
}

func digestOf(b []byte) [32]byte { return sha256.Sum256(b) }

// asked asks an appliance for its data and returns what it says at first, or why it offers none.
func asked(tb testing.TB, of *Engine, q wire.Question) (wire.Header, error) {
	tb.Helper()
	body, err := json.Marshal(q)
	must(tb, err)
	answer := httptest.NewRecorder()
	of.Handler().ServeHTTP(answer, httptest.NewRequestWithContext(tb.Context(), http.MethodPost, wire.Prefix+"manifest", bytes.NewReader(body)))
	if answer.Code != http.StatusOK {
		var told refusal.Refusal
		must(tb, json.Unmarshal(answer.Body.Bytes(), &told))
		return wire.Header{}, told.From(refusal.Primary)
	}
	in, err := wire.NewReader(answer.Body, 8<<10, refusal.Read)
	must(tb, err)
	defer in.Close()
	var head wire.Header
	kind, payload, err := in.Next()
	if err != nil {
		return wire.Header{}, err
	}
	if kind != wire.Head {
		tb.Fatalf("answered with a frame of kind %d", kind)
	}
	must(tb, json.Unmarshal(payload, &head))
	return head, nil
}
