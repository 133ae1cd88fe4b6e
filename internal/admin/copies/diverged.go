// Package copies does what an administrator asks for about what an appliance keeps besides the data: diverged
// copies, listed, compared, exported, put back and deleted.
//
// Start reading at Diverged.
package copies

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"baton/internal/act"
	"baton/internal/datasync"
	"baton/internal/datasync/diverged"
	"baton/internal/datasync/source/directory"
	"baton/internal/kept"
	"baton/internal/store"
)

// Diverged implements api.DivergedCopies.
type Diverged struct {
	Name    string // of this appliance
	DataDir string // an export is prepared there
	Agent   act.Agent
	Link    act.Link
	Lead    *act.Lead
	Engine  *datasync.Engine
	Copies  *diverged.Copies
	Audit   act.Audit
}

// DivergedCopies implements api.DivergedCopies.
func (d *Diverged) DivergedCopies(context.Context) ([]kept.DivergedCopy, error) {
	copies, err := d.Copies.All()
	return copies, act.Failure(err)
}

// DeleteDiverged implements api.DivergedCopies.
func (d *Diverged) DeleteDiverged(ctx context.Context, id string) error {
	if err := d.Copies.Delete(id); err != nil {
		return act.Failure(err)
	}
	d.Audit.Note(ctx, "deleted the diverged copy %s", id)
	return nil
}

// ExportDiverged implements api.DivergedCopies.
func (d *Diverged) ExportDiverged(ctx context.Context, id string, to io.Writer) error {
	from, err := d.Copies.Path(id)
	if err != nil {
		return act.Failure(err)
	}
	dir, err := os.MkdirTemp(d.DataDir, "export-")
	if err != nil {
		return fmt.Errorf("make room for the export: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what stays is under a name that says what it is
	if err := directory.Export(ctx, from, dir); err != nil {
		return act.Failure(err)
	}
	if err := withoutSecrets(ctx, filepath.Join(dir, "site.db")); err != nil {
		return act.Failure(err)
	}
	return writeTar(to, dir)
}

// withoutSecrets makes a copy of the site database one that may be handed out; not
// every diverged copy has one.
func withoutSecrets(ctx context.Context, path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return store.StripSecrets(ctx, path)
}
