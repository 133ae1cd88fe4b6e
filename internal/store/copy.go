package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"baton/internal/durable"
	"baton/internal/pair"

	"modernc.org/sqlite"
)

// Copy writes the whole database, as of one moment and while it is in use, to a
// new file: for a backup or a diverged copy. An appliance that is restored from
// it gives out no number of an event twice.
func (s *Site) Copy(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, pair.Refuse(pair.Refused, "%s exists already: name a new file", path))
	}
	err := s.copyTo(ctx, path)
	if err != nil {
		_ = os.Remove(path) // a copy is whole or absent
		return fmt.Errorf("copy the site database to %s: %w", path, err)
	}
	return nil
}

func (s *Site) copyTo(ctx context.Context, path string) error {
	if err := durable.Write(path, nil); err != nil { // for its mode
		return err
	}
	conn, err := s.db.reader.Conn(ctx)
	if err != nil {
		return err
	}
	err = conn.Raw(func(driver any) error { return backup(driver, path) })
	if err := errors.Join(err, conn.Close()); err != nil {
		return err
	}
	if err := settle(ctx, path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

func backup(driver any, path string) error {
	source, ok := driver.(interface {
		NewBackup(to string) (*sqlite.Backup, error)
	})
	if !ok {
		return errors.New("this SQLite driver cannot copy")
	}
	copying, err := source.NewBackup(dsn(path, "", "synchronous(off)")) // settle makes it durable
	if err != nil {
		return err
	}
	for more := true; more && err == nil; {
		more, err = copying.Step(-1)
	}
	return errors.Join(err, copying.Finish())
}

// settle makes a copy one durable file that needs no log beside it, moves the
// numbers of its events ahead (see schema/0002-events.sql), and leaves out what this
// appliance has to tell.
func settle(ctx context.Context, path string) error {
	db, err := sql.Open("sqlite", dsn(path, "", "journal_mode(delete)", "synchronous(full)"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `UPDATE event_head SET used = (used / ? + 1) * ?; DELETE FROM outbox`, restartAt, restartAt)
	if err := errors.Join(err, db.Close()); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the caller names the copy
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
