package admintest

import (
	"archive/tar"
	"context"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/pair"
)

// Data implements api.ProtectedData.
func (a *Appliance) Data(ctx context.Context) ([]api.Data, error) {
	all, err := a.store.Data.List(ctx)
	list := make([]api.Data, len(all))
	for i, data := range all {
		list[i] = api.DataOf(data)
	}
	return list, act.Failure(err)
}

// AddData implements api.ProtectedData.
func (a *Appliance) AddData(ctx context.Context, data api.DataSpec) error {
	if data.Kind != string(pair.DataDirectory) {
		return pair.Refuse(pair.Refused, "%s is not available yet in this version", "protecting a "+data.Kind+" database")
	}
	return act.Failure(a.store.Data.Add(ctx, pair.Data{Name: data.Name, Spec: pair.Directory{Path: pair.Path(data.Path)}}))
}

// RemoveData implements api.ProtectedData.
func (a *Appliance) RemoveData(ctx context.Context, name string) error {
	return act.Failure(a.store.Data.Remove(ctx, name))
}

// DivergedCopies implements api.DivergedCopies.
func (a *Appliance) DivergedCopies(context.Context) ([]pair.DivergedCopy, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Values(a.diverged)), nil
}

// ExportDiverged implements api.DivergedCopies: every file holds its own path.
// A file named BROKEN ends the stream half-way.
func (a *Appliance) ExportDiverged(_ context.Context, id string, to io.Writer) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	diverged, known := a.diverged[id]
	if !known {
		return pair.Refuse(pair.NotFound, "there is no diverged copy %s: see baton diverged list", id)
	}
	archive := tar.NewWriter(to)
	for _, file := range diverged.Files {
		name := path.Join(file.Data, file.Path)
		if strings.HasSuffix(name, "BROKEN") {
			return io.ErrUnexpectedEOF
		}
		if strings.HasPrefix(file.Path, "..") {
			name = file.Path
		}
		header := &tar.Header{Name: name, Mode: 0o640, Size: int64(len(file.Path)), ModTime: file.ModTime, Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write([]byte(file.Path)); err != nil {
			return err
		}
	}
	return archive.Close()
}

// DeleteDiverged implements api.DivergedCopies.
func (a *Appliance) DeleteDiverged(_ context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, known := a.diverged[id]; !known {
		return pair.Refuse(pair.NotFound, "there is no diverged copy %s: see baton diverged list", id)
	}
	delete(a.diverged, id)
	return nil
}
