package api

import (
	"context"
	"io"
	"time"

	"baton/internal/pair"
)

// Backups saves and restores all that is set for the site, encrypted with a
// password.
type Backups interface {
	// CreateBackup writes nothing if the password is refused.
	CreateBackup(ctx context.Context, password string, to io.Writer) error
	// InspectBackup reads a backup whole, changes nothing, and keeps it for some
	// minutes, so that RestoreInspected can follow. Only the newest is kept.
	InspectBackup(ctx context.Context, password string, from io.Reader) (InspectedBackup, error)
	// RestoreInspected replaces what is set by a backup that was inspected;
	// NotFound if it is kept no longer.
	RestoreInspected(ctx context.Context, id string) error
	// RestoreBackup does both at once.
	RestoreBackup(ctx context.Context, password string, from io.Reader) error
}

// CreateBackup streams all that is set for the site, encrypted with a password.
func CreateBackup() Stream[Backups, PasswordText] {
	return stream[inBody[PasswordText]](
		post("/backup", "create-backup", pair.Administrator, "All that is set for the site, without its history, encrypted with the password").
			as("application/octet-stream"),
		func(b Backups, ctx context.Context, question PasswordText, w *streamWriter) error {
			return b.CreateBackup(ctx, question.Password, w)
		})
}

// RestoreBackup restores a backup.
func RestoreBackup() Upload[Backups, None] {
	return upload[None](post("/backup/restore", "restore-backup", pair.Administrator, "Restore a backup: multipart form with password, then file"),
		func(b Backups, ctx context.Context, password string, from io.Reader) (None, error) {
			return None{}, b.RestoreBackup(ctx, password, from)
		})
}

// InspectBackup tells what a backup holds, and keeps it for some minutes.
func InspectBackup() Upload[Backups, InspectedBackup] {
	return upload[inBody[InspectedBackup]](post("/backup/inspect", "inspect-backup", pair.Administrator, "What a backup holds; it is kept for 10 minutes to be restored. The same form as for restore"),
		Backups.InspectBackup)
}

// RestoreInspected restores the backup that was inspected.
func RestoreInspected() Op[Backups, string, None] {
	return orderID(post("/backup/inspected/{id}/restore", "restore-inspected-backup", pair.Administrator, "Restore the backup that was inspected").within(time.Minute), Backups.RestoreInspected)
}

func (s *Server) serveBackups() {
	CreateBackup().serve(s, s.backend.Backups)
	RestoreBackup().serve(s, s.backend.Backups)
	InspectBackup().serve(s, s.backend.Backups)
	serve(s, s.backend.Backups, RestoreInspected())
}

// MaxBackup bounds an uploaded backup, in bytes. A real one has some thousands.
const MaxBackup = 32 << 20

// InspectedBackup says what a backup holds. The id is good for RestoreInspected.
type InspectedBackup struct {
	ID             string    `json:"id"`
	Made           time.Time `json:"made,omitzero"`       // absent in backups of the first versions
	Version        string    `json:"version,omitempty"`   // of the product that made it
	Appliance      string    `json:"appliance,omitempty"` // on which it was made
	SiteName       string    `json:"site_name,omitempty"`
	Users          int       `json:"users"`
	Administrators int       `json:"administrators" doc:"Those who may sign in"`
	Tokens         int       `json:"tokens"`
	Data           int       `json:"data" doc:"Pieces of protected data"`
	Documents      []string  `json:"documents" doc:"What else is set: site, security, ..."`
}
