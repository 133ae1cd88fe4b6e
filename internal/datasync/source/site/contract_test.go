package site_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"baton/internal/datasync/source"
	"baton/internal/datasync/source/site"
	"baton/internal/datasync/source/sourcetest"
	"baton/internal/pair"
)

// database is a site database that is one file.
type database struct{ path string }

func (d database) Export(_ context.Context, w io.Writer) error {
	b, err := os.ReadFile(d.path)
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

func (d database) Import(_ context.Context, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err == nil {
		err = os.WriteFile(d.path, b, 0o600)
	}
	return err
}

func (d database) Copy(ctx context.Context, path string) error {
	var b bytes.Buffer
	if err := d.Export(ctx, &b); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o600)
}

// side is an appliance with its site database.
type side struct{ dir string }

func (s side) database() database { return database{filepath.Join(s.dir, "site.db")} }

func (s side) Start(t *testing.T) (source.Kind, pair.Data) {
	t.Helper()
	kind, err := site.New(s.database(), filepath.Join(s.dir, "staged"))
	if err != nil {
		t.Fatal(err)
	}
	return kind, pair.Data{Name: "site-database", Spec: pair.SiteDatabase{}}
}

// Put keeps the page of the files.
func (s side) Put(t *testing.T, files map[string]string) {
	t.Helper()
	if err := os.WriteFile(s.database().path, []byte(files["page"]), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s side) Files(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile(s.database().path)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"page": string(b)}
}

func TestTheSiteDatabaseIsASource(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Side {
		t.Helper()
		return side{t.TempDir()}
	})
}
