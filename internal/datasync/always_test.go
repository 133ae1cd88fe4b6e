package datasync

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/datasync/source"
	"baton/internal/datasync/source/site"
	"baton/internal/datasync/source/sourcetest"
	"baton/internal/pair"
)

// alwaysMemory protects a piece of data without being asked to.
type alwaysMemory struct{ *sourcetest.Memory }

// Always implements source.Kind.
func (alwaysMemory) Always() pair.Data { return memoryData() }

func TestOnlyOneKindHasDataThatIsProtectedAlways(t *testing.T) {
	dir := t.TempDir()
	database, err := site.New(fileSite{filepath.Join(dir, "site")}, filepath.Join(dir, "sync", "site"))
	must(t, err)
	_, err = Open(t.Context(), Options{
		Dir: filepath.Join(dir, "sync"), Log: slog.New(slog.DiscardHandler),
		Kinds: map[pair.DataKind]source.Kind{pair.DataDirectory: alwaysMemory{sourcetest.NewMemory()}, pair.DataSite: database},
		Data:  func(context.Context) ([]pair.Data, error) { return nil, nil },
	})
	if err == nil || !strings.Contains(err.Error(), "/srv/files") {
		t.Errorf("opened with %v", err)
	}
}
