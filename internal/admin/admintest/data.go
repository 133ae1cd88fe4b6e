package admintest

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"

	"baton/internal/admin"
	"baton/internal/admin/copies"
	"baton/internal/admin/disks"
	"baton/internal/datasync"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory"
	"baton/internal/kept"
	"baton/internal/pair"
	"baton/internal/store/local"
)

// composeData makes the acts about protected data, with a data sync of their own. What
// lies in Tree may be protected, and the public site is a directory there.
func (a *Appliance) composeData(t TB) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	own, err := local.Open(filepath.Join(a.dataDir(), "local"), ID, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close() })
	allowing := &admin.Allowing{
		Name: "alpha", Site: a.Directory(t, "public"), Protect: []string{a.Tree()}, Local: own, Store: a.store, Audit: a.lead.Audit,
	}
	a.engine = newEngine(t, a.dataDir(), datasync.Options{Data: a.store.Data.List}, directory.Options{Own: []string{a.dataDir()}, Allowed: allowing.Refusal})
	a.data = &admin.Data{
		Allowing: allowing, Self: ID, DataDir: a.dataDir(), Agent: a.agent, Link: a.link, Lead: a.lead, Store: a.store, Engine: a.engine,
		Disks: disks.New(), Count: func(context.Context) {}, Log: log,
	}
	a.diverged = &copies.Diverged{
		Name: "alpha", DataDir: a.dataDir(), Agent: a.agent, Link: a.link, Lead: a.lead, Engine: a.engine, Copies: a.engine.Diverged, Audit: a.lead.Audit,
	}
}

// newEngine returns a data sync of directories that keeps its state below dir.
func newEngine(t TB, dir string, options datasync.Options, kind directory.Options) *datasync.Engine {
	t.Helper()
	options.Dir, options.Log, options.Now = filepath.Join(dir, "sync"), slog.New(slog.DiscardHandler), Start
	kind.Index, kind.Log = filepath.Join(options.Dir, "index"), options.Log
	directories, err := directory.New(kind)
	if err != nil {
		t.Fatal(err)
	}
	options.Kinds = map[pair.DataKind]source.Kind{pair.DataDirectory: directories}
	engine, err := datasync.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return engine
}

// dataDir is the appliance's data directory, as of its configuration file.
func (a *Appliance) dataDir() string { return filepath.Join(a.dir, "baton") }

// Tree is the directory in which anything may be protected.
func (a *Appliance) Tree() string { return filepath.Join(a.dir, "srv") }

// Directory makes a directory in Tree with two files, and returns its path.
func (a *Appliance) Directory(t TB, name string) string {
	t.Helper()
	path := filepath.Join(a.Tree(), name)
	if err := os.MkdirAll(filepath.Join(path, "notes"), 0o750); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"index.html": "<p>Welcome", "notes/today.txt": "rain"} {
		if err := os.WriteFile(filepath.Join(path, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// Protect protects a Directory in either role, and returns its path.
func (a *Appliance) Protect(t TB, name string) string {
	t.Helper()
	path := a.Directory(t, name)
	if err := a.store.Data.Add(t.Context(), pair.Data{Name: name, Spec: pair.Directory{Path: pair.Path(path)}}); err != nil {
		t.Fatal(err)
	}
	return path
}

// SetAside protects a Directory, and sets what it holds aside as a diverged copy.
func (a *Appliance) SetAside(t TB, name string) kept.DivergedCopy {
	t.Helper()
	a.Protect(t, name)
	diverged, err := a.engine.SetAside(t.Context(), pair.Epoch{Counter: 3, Holder: PeerID}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return diverged
}

// Sync has a backup pull what is protected here.
func (a *Appliance) Sync(t TB) {
	t.Helper()
	epoch := pair.Epoch{Counter: 1, Holder: ID}
	a.engine.Offer(epoch)
	primary := httptest.NewServer(a.engine.Handler())
	defer primary.Close()
	there := t.TempDir()
	backup := newEngine(t, there, datasync.Options{Data: a.store.Data.List}, directory.Options{
		Place: func(data pair.Data) string { return filepath.Join(there, data.Name) },
	})
	if _, err := backup.Pull(t.Context(), primary.Client(), primary.URL, datasync.Request{Epoch: epoch}); err != nil {
		t.Fatal(err)
	}
}

// RestorePoint has a primary give this appliance two snapshots of a directory with one file, index.html: "old", then "new". The first
// is a restore point then.
func (a *Appliance) RestorePoint(t TB, name string) {
	t.Helper()
	there, epoch := t.TempDir(), pair.Epoch{Counter: 1, Holder: PeerID}
	data := pair.Data{Name: name, Spec: pair.Directory{Path: pair.Path(filepath.Join(a.Tree(), name))}}
	primary := newEngine(t, there, datasync.Options{Data: func(context.Context) ([]pair.Data, error) { return []pair.Data{data}, nil }}, directory.Options{
		Place: func(pair.Data) string { return filepath.Join(there, "files") },
	})
	primary.Offer(epoch)
	server := httptest.NewServer(primary.Handler())
	defer server.Close()
	a.engine.Points.Set(1)
	for _, text := range []string{"old", "new"} {
		err := os.MkdirAll(filepath.Join(there, "files"), 0o750)
		if err == nil {
			err = os.WriteFile(filepath.Join(there, "files", "index.html"), []byte(text), 0o600)
		}
		if err == nil {
			_, err = a.engine.Pull(t.Context(), server.Client(), server.URL, datasync.Request{Epoch: epoch})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// exports are the diverged copies, with what a test says of how an export ends.
type exports struct {
	*copies.Diverged

	damaged map[string]func(to io.Writer) error
}

// ExportDiverged implements api.DivergedCopies.
func (e exports) ExportDiverged(ctx context.Context, id string, to io.Writer) error {
	if write, is := e.damaged[id]; is {
		return write(to)
	}
	return e.Diverged.ExportDiverged(ctx, id, to)
}

// Damage has write send the export of a diverged copy.
func (a *Appliance) Damage(id string, write func(to io.Writer) error) { a.damaged[id] = write }
