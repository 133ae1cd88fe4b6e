package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"baton/internal/durable"
	"baton/internal/pair"
	"baton/internal/store/place"
)

// Site is the site database, in parts by subject that share one file. Their methods are
// safe for use by several goroutines.
type Site struct {
	Users     *Users
	Sessions  Sessions
	Tokens    Tokens
	History   History
	Documents Documents
	Settings  Settings
	Data      Data
	Outbox    Outbox

	db *database
}

// OpenSite opens the site database at path, makes it on the first start and
// brings an older one up to this version. Protected data is refused inside and
// around the directories keepOut: the daemon's own data.
func OpenSite(ctx context.Context, path string, self pair.ApplianceID, log *slog.Logger, keepOut ...string) (*Site, error) {
	if !self.Valid() {
		return nil, fmt.Errorf("open the site database: %q is not an appliance id", self)
	}
	if err := claimFile(path); err != nil {
		return nil, err
	}
	db := &database{path: path, log: log, now: time.Now}
	if err := db.open(ctx); err != nil {
		return nil, errors.Join(db.explain("open the site database", err), db.close())
	}
	if err := durable.Mark(path); err != nil {
		return nil, errors.Join(fmt.Errorf("mark the site database: %w", err), db.close())
	}
	users, history := newUsers(db), History{db, self}
	return &Site{
		Users: users, Sessions: Sessions{db, users}, Tokens: Tokens{db},
		History: history, Documents: Documents{db, history}, Settings: Settings{db, history},
		Data: Data{db, place.Rules{Self: self, Own: append([]string{filepath.Dir(path)}, keepOut...)}}, Outbox: Outbox{db},
		db: db,
	}, nil
}

// Close waits for running statements and closes the database.
func (s *Site) Close() error { return s.db.close() }

// claimFile makes the database's file, readable by its owner only, unless it was
// here before and is lost.
func claimFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the site database's directory: %w", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	lost, err := durable.Marked(path)
	switch {
	case err != nil:
		return fmt.Errorf("look for the site database: %w", err)
	case lost:
		return fmt.Errorf("the site database %s is missing, but was here before: put it back (baton backup restore), "+
			"or remove %s to start with an empty site", path, durable.MarkOf(path))
	}
	return durable.Write(path, nil)
}
