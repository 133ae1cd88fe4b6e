package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"baton/internal/durable"
	"baton/internal/pair"

	_ "modernc.org/sqlite" // the driver
)

// leastSQLite is the first SQLite without the bug that could corrupt a database
// when its write-ahead log was reset.
const leastSQLite = 3_051_003

// Site is the site database. Its methods are safe for use by several goroutines.
type Site struct {
	path    string
	self    pair.ApplianceID
	keepOut []string // directories that protected data must not overlap
	log     *slog.Logger
	now     func() time.Time

	writer *sql.DB // one connection: SQLite has one writer at a time
	reader *sql.DB // several, which never write

	strangers lane // computes the hashes of sign-ins
	signedIn  lane // and those of who is signed in
}

// OpenSite opens the site database at path, makes it on the first start and
// brings an older one up to this version. Protected data is refused inside and
// around the directories keepOut: the daemon's own data.
func OpenSite(ctx context.Context, path string, self pair.ApplianceID, log *slog.Logger, keepOut ...string) (*Site, error) {
	if !validAppliance(self) {
		return nil, fmt.Errorf("open the site database: %q is not an appliance id", self)
	}
	if err := claimFile(path); err != nil {
		return nil, err
	}
	s := &Site{
		path: path, self: self, keepOut: keepOut, log: log, now: time.Now,
		strangers: strangersLane(), signedIn: signedInLane(),
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(s.explain("open the site database", err), s.Close())
	}
	if err := mark(path); err != nil {
		return nil, errors.Join(fmt.Errorf("mark the site database: %w", err), s.Close())
	}
	return s, nil
}

// claimFile makes the database's file, readable by its owner only, unless it was
// here before and is lost.
func claimFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the site database's directory: %w", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	lost, err := existed(path)
	switch {
	case err != nil:
		return fmt.Errorf("look for the site database: %w", err)
	case lost:
		return fmt.Errorf("the site database %s is missing, but was here before: put it back (baton backup restore), "+
			"or remove %s to start with an empty site", path, markOf(path))
	}
	return durable.Write(path, nil)
}

func (s *Site) open(ctx context.Context) (err error) {
	if s.writer, err = sql.Open("sqlite", dsn(s.path, "_txlock=immediate", "journal_mode(wal)", "synchronous(full)")); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	if err := checkVersion(ctx, s.writer); err != nil {
		return err
	}
	if err := migrate(ctx, s.writer); err != nil {
		return err
	}
	if s.reader, err = sql.Open("sqlite", dsn(s.path, "", "query_only(1)")); err != nil {
		return err
	}
	s.reader.SetMaxOpenConns(4)
	return nil
}

// dsn names a database file with what each connection to it sets.
func dsn(path, option string, pragmas ...string) string {
	always := []string{
		"busy_timeout(5000)",    // milliseconds
		"recursive_triggers(1)", // else INSERT OR REPLACE deletes past the trigger that forbids it
	}
	query := url.Values{"_pragma": append(always, pragmas...)}
	name := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: query.Encode()}
	if option != "" {
		name.RawQuery += "&" + option
	}
	return name.String()
}

func checkVersion(ctx context.Context, db *sql.DB) error {
	var text string
	if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&text); err != nil {
		return err
	}
	var major, minor, patch int
	if _, err := fmt.Sscanf(text, "%d.%d.%d", &major, &minor, &patch); err != nil {
		return fmt.Errorf("read the version of SQLite %q: %w", text, err)
	}
	if major*1_000_000+minor*1000+patch < leastSQLite {
		return fmt.Errorf("this program is built with SQLite %s, which can corrupt a database: build it with 3.51.3 or later", text)
	}
	return nil
}

// Close waits for running statements and closes the database.
func (s *Site) Close() error {
	var err error
	for _, pool := range []*sql.DB{s.reader, s.writer} {
		if pool != nil {
			err = errors.Join(err, pool.Close())
		}
	}
	return err
}

// write runs change in one transaction: all of it becomes durable, or nothing.
func (s *Site) write(ctx context.Context, act string, change func(*sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return s.explain(act, err)
	}
	err = change(tx)
	if err != nil {
		_ = tx.Rollback() // ends the transaction in any case; the first error tells more
		return s.explain(act, err)
	}
	return s.explain(act, tx.Commit())
}

// millis is how the database keeps a time; NULL is the zero time.
func millis(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: !t.IsZero()}
}

func fromMillis(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64).UTC()
}

// each calls scan for every row of a query's result, then closes it.
func each(rows *sql.Rows, queryErr error, scan func(row scanner) error) error {
	if queryErr != nil {
		return queryErr
	}
	for rows.Next() {
		if err := scan(rows); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return cmp.Or(rows.Err(), rows.Close())
}

type scanner interface{ Scan(into ...any) error }
