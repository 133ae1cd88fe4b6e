package api

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"baton/internal/cause"
	"baton/internal/pair"
)

const (
	restorePath   = Prefix + "/backup/restore"
	inspectPath   = Prefix + "/backup/inspect"
	backupTimeout = 10 * time.Minute
	passwordPart  = "password"
	filePart      = "file"
)

func (s *Server) addDiverged() {
	add(s, endpoint{method: http.MethodGet, path: "/diverged", name: "diverged", least: pair.Viewer, summary: "Diverged copies: what losing sides wrote"},
		func(ctx context.Context, _ *none) (*answer[[]pair.DivergedCopy], error) {
			copies, err := s.backend.Diverged.DivergedCopies(ctx)
			for i := range copies {
				if copies[i].Files == nil {
					copies[i].Files = []pair.DivergedFile{} // a list is never null
				}
			}
			return list(copies, err)
		})
	add(s, endpoint{method: http.MethodGet, path: "/diverged/{id}/export", name: "export-diverged", least: pair.Administrator, replies: "application/x-tar", summary: "One diverged copy as a tar archive"},
		func(_ context.Context, in *identified) (*huma.StreamResponse, error) {
			return s.stream("application/x-tar", func(ctx context.Context, w *streamWriter) error {
				return s.backend.Diverged.ExportDiverged(ctx, in.ID, w)
			}), nil
		})
	add(s, endpoint{method: http.MethodDelete, path: "/diverged/{id}", name: "delete-diverged", least: pair.Administrator, summary: "Delete a diverged copy for good"},
		func(ctx context.Context, in *identified) (*none, error) {
			return done(s.backend.Diverged.DeleteDiverged(ctx, in.ID))
		})
}

func (s *Server) addBackup() {
	add(s, endpoint{method: http.MethodPost, path: "/backup", name: "create-backup", least: pair.Administrator, replies: "application/octet-stream", summary: "All that is set for the site, without its history, encrypted with the password"},
		func(_ context.Context, in *question[passwordText]) (*huma.StreamResponse, error) {
			return s.stream("application/octet-stream", func(ctx context.Context, w *streamWriter) error {
				return s.backend.Backups.CreateBackup(ctx, in.Body.Password, w)
			}), nil
		})
	add(s, endpoint{method: http.MethodPost, path: "/backup/restore", name: "restore-backup", least: pair.Administrator, timeout: backupTimeout, takes: restoreBody(), summary: "Restore a backup: multipart form with password, then file"},
		func(ctx context.Context, _ *none) (*none, error) {
			password, file, err := BackupParts(exchangeFrom(ctx).r)
			if err != nil {
				return nil, err
			}
			return done(s.backend.Backups.RestoreBackup(ctx, password, file))
		})
	add(s, endpoint{method: http.MethodPost, path: "/backup/inspect", name: "inspect-backup", least: pair.Administrator, timeout: backupTimeout, takes: restoreBody(), summary: "What a backup holds; it is kept for 10 minutes to be restored. The same form as for restore"},
		func(ctx context.Context, _ *none) (*answer[InspectedBackup], error) {
			password, file, err := BackupParts(exchangeFrom(ctx).r)
			if err != nil {
				return nil, err
			}
			return one(s.backend.Backups.InspectBackup(ctx, password, file))
		})
	add(s, endpoint{method: http.MethodPost, path: "/backup/inspected/{id}/restore", name: "restore-inspected-backup", least: pair.Administrator, timeout: time.Minute, summary: "Restore the backup that was inspected"},
		func(ctx context.Context, in *identified) (*none, error) {
			return done(s.backend.Backups.RestoreInspected(ctx, in.ID))
		})
}

func restoreBody() *huma.RequestBody {
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"multipart/form-data": {Schema: &huma.Schema{
			Type: huma.TypeObject, Required: []string{passwordPart, filePart},
			Properties: map[string]*huma.Schema{
				passwordPart: {Type: huma.TypeString},
				filePart:     {Type: huma.TypeString, Format: "binary"},
			},
		}},
	}}
}

// BackupParts reads a form with a backup as it streams in: the password has to
// come first.
func BackupParts(r *http.Request) (string, io.Reader, error) {
	form, err := r.MultipartReader()
	if err != nil {
		return "", nil, pair.Refuse(pair.Usage, "a backup is sent as a multipart form, the part %s first, then the part %s: %w", passwordPart, filePart, cause.Plain(err))
	}
	first, err := form.NextPart()
	if err != nil || first.FormName() != passwordPart {
		return "", nil, pair.Refuse(pair.Usage, "the first part of the form must be %s: put it before %s", passwordPart, filePart)
	}
	password, err := io.ReadAll(io.LimitReader(first, 1025))
	if err != nil || len(password) == 0 || len(password) > 1024 {
		return "", nil, pair.Refuse(pair.Usage, "the backup's password is missing or too long: send 1 to 1024 bytes")
	}
	second, err := form.NextPart()
	if err != nil || second.FormName() != filePart {
		return "", nil, pair.Refuse(pair.Usage, "the second part of the form must be %s: it carries the backup", filePart)
	}
	return string(password), second, nil
}
