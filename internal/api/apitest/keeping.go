package apitest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/pair"
)

// Data implements api.ProtectedData.
func (a *Appliance) Data(context.Context) ([]api.Data, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.data), nil
}

// AddData implements api.ProtectedData.
func (a *Appliance) AddData(_ context.Context, data api.DataSpec) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case data.Kind != string(pair.DataDirectory):
		return pair.Refuse(pair.Refused, "%s is not available yet in this version", "protecting a "+data.Kind+" database")
	case slices.ContainsFunc(a.data, func(d api.Data) bool { return d.Name == data.Name }):
		return pair.Refuse(pair.Refused, "there is protected data named %s already: choose another name", data.Name)
	}
	a.data = append(a.data, api.Data{Name: data.Name, Kind: pair.DataDirectory, Path: data.Path})
	return nil
}

// RemoveData implements api.ProtectedData.
func (a *Appliance) RemoveData(_ context.Context, name string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.data, func(d api.Data) bool { return d.Name == name })
	if i < 0 {
		return pair.Refuse(pair.NotFound, "there is no protected data named %s: see baton data list", name)
	}
	a.data = slices.Delete(a.data, i, i+1)
	return nil
}

// Services implements api.Services.
func (a *Appliance) Services(context.Context) ([]api.Service, error) { return nil, nil }

// AddService implements api.Services.
func (a *Appliance) AddService(context.Context, api.Service) error {
	return pair.Refuse(pair.Refused, "%s is not available yet in this version", "running services")
}

// RemoveService implements api.Services.
func (a *Appliance) RemoveService(_ context.Context, name string) error {
	return pair.Refuse(pair.NotFound, "there is no service named %s: see baton service list", name)
}

// leastPassword is of a backup, in characters.
const leastPassword = 10

func goodPassword(password string) error {
	if len(password) < leastPassword {
		return pair.RefuseField("password", "use 10 characters or more")
	}
	return nil
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

// CreateBackup implements api.Backups: the password, then the data's names.
func (a *Appliance) CreateBackup(_ context.Context, password string, to io.Writer) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := goodPassword(password); err != nil {
		return err
	}
	if _, err := io.WriteString(to, "baton backup "+password+"\n"); err != nil {
		return err
	}
	for _, data := range a.data {
		if _, err := io.WriteString(to, data.Name+" "+data.Path+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// InspectBackup implements api.Backups.
func (a *Appliance) InspectBackup(_ context.Context, password string, from io.Reader) (api.InspectedBackup, error) {
	data, err := readBackup(password, from)
	if err != nil {
		return api.InspectedBackup{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.status.Role == pair.Backup {
		return api.InspectedBackup{}, pair.Refuse(pair.Refused, "this appliance is the backup and gets this from its primary: do it there")
	}
	a.inspected = data
	return api.InspectedBackup{
		ID: "inspected", Made: Start(), Version: "1.2.3", Appliance: "alpha", SiteName: "Help desk",
		Users: 3, Administrators: 1, Tokens: 2, Data: len(data), Documents: []string{"site"},
	}, nil
}

// RestoreInspected implements api.Backups.
func (a *Appliance) RestoreInspected(ctx context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.inspected == nil || id != "inspected" {
		return pair.Refuse(pair.NotFound, "this backup is no longer kept here: choose the file again")
	}
	a.data, a.inspected = a.inspected, nil
	a.record(ctx, pair.KindSettingChanged, "A backup was restored.", nil)
	return nil
}

// RestoreBackup implements api.Backups.
func (a *Appliance) RestoreBackup(_ context.Context, password string, from io.Reader) error {
	data, err := readBackup(password, from)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.data = data
	return nil
}

// readBackup reads what CreateBackup writes.
func readBackup(password string, from io.Reader) ([]api.Data, error) {
	text, err := io.ReadAll(from)
	if err != nil {
		return nil, pair.Refuse(pair.Failed, "the backup did not arrive whole: send it again (%w)", cause.Plain(err))
	}
	rest, found := bytes.CutPrefix(text, []byte("baton backup "+password+"\n"))
	if !found {
		return nil, pair.Refuse(pair.Usage, "this is no backup, or the password is another: check both")
	}
	data := []api.Data{}
	for line := range strings.Lines(string(rest)) {
		name, where, _ := strings.Cut(strings.TrimSpace(line), " ")
		data = append(data, api.Data{Name: name, Kind: pair.DataDirectory, Path: where})
	}
	return data, nil
}

// Software implements api.Maintaining.
func (a *Appliance) Software(context.Context) (api.Software, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	software := api.Software{
		Version: "1.2.3", Commit: "0123456789abcdef0123456789abcdef01234567", Committed: Start().Add(-48 * time.Hour),
		Go: "go1.26.8", Platform: "linux/amd64", Started: Start().Add(-time.Hour),
	}
	if a.status.Peer != nil {
		software.Peer = &api.PeerSoftware{Name: a.status.Peer.Name, Version: "1.2.2"}
	}
	return software, nil
}

// Licences implements api.Maintaining.
func (a *Appliance) Licences(context.Context) ([]api.Licence, error) {
	return []api.Licence{
		{Name: "Baton", Kind: "Apache-2.0", Text: "Take it.\n"},
		{Name: "example.org/thing", Version: "v1.0.0", Kind: "MIT", Text: "Take that, too.\n"},
	}, nil
}

// SupportBundle implements api.Maintaining.
func (a *Appliance) SupportBundle(ctx context.Context, to io.Writer) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	zipped := gzip.NewWriter(to)
	_, err := io.WriteString(zipped, "support bundle of alpha\n")
	a.record(ctx, pair.KindSettingChanged, "A support bundle was made.", nil)
	return errors.Join(err, zipped.Close())
}
