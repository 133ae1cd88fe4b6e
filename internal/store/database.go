package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"baton/internal/pair"
	"baton/internal/store/asof"
	"baton/internal/store/schema"

	_ "modernc.org/sqlite" // the driver
)

// leastSQLite is the first SQLite without the bug that could corrupt a database
// when its write-ahead log was reset.
const leastSQLite = 3_051_003

// database is the file that the parts of a site share.
type database struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	writer *sql.DB // one connection: SQLite has one writer at a time
	reader *sql.DB // several, which never write

	counter   *asof.Counter
	data      asof.Value[[]pair.Data]
	documents asof.Value[[]Document]
	heads     asof.Value[map[pair.ApplianceID]int64]
	exported  asof.Value[[]byte]
}

func (d *database) open(ctx context.Context) (err error) {
	if d.writer, err = sql.Open("sqlite", dsn(d.path, "_txlock=immediate", "journal_mode(wal)", "synchronous(full)")); err != nil {
		return err
	}
	d.writer.SetMaxOpenConns(1)
	if err := checkVersion(ctx, d.writer); err != nil {
		return err
	}
	if err := schema.Migrate(ctx, d.writer); err != nil {
		return err
	}
	if d.reader, err = sql.Open("sqlite", dsn(d.path, "", "query_only(1)")); err != nil {
		return err
	}
	d.reader.SetMaxOpenConns(5) // one of them belongs to the counter
	d.counter = asof.NewCounter(d.reader)
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

// close waits for running statements and closes the database.
func (d *database) close() error {
	var err error
	if d.counter != nil {
		err = d.counter.Close()
	}
	for _, pool := range []*sql.DB{d.reader, d.writer} {
		if pool != nil {
			err = errors.Join(err, pool.Close())
		}
	}
	return err
}

// write runs change in one transaction: all of it becomes durable, or nothing.
func (d *database) write(ctx context.Context, act string, change func(*sql.Tx) error) error {
	tx, err := d.writer.BeginTx(ctx, nil)
	if err != nil {
		return d.explain(act, err)
	}
	err = change(tx)
	if err != nil {
		_ = tx.Rollback() // ends the transaction in any case; the first error tells more
		return d.explain(act, err)
	}
	return d.explain(act, tx.Commit())
}

// exec runs one statement in a transaction and returns untouched, which may be nil, if it
// touched no row.
func (d *database) exec(ctx context.Context, act string, untouched error, query string, args ...any) error {
	return d.write(ctx, act, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, query, args...)
		return affected(result, err, untouched)
	})
}

// affected returns untouched if a statement touched no row.
func affected(result sql.Result, err, untouched error) error {
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); n > 0 || err != nil {
		return err
	}
	return untouched
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

// list returns what scan reads from every row that a query finds.
func list[T any](ctx context.Context, from querier, scan func(row scanner) (T, error), query string, args ...any) ([]T, error) {
	all := []T{}
	rows, err := from.QueryContext(ctx, query, args...)
	err = each(rows, err, func(row scanner) error {
		one, err := scan(row)
		all = append(all, one)
		return err
	})
	return all, err
}

// scanText reads a row of one column.
func scanText(row scanner) (text string, err error) {
	err = row.Scan(&text)
	return text, err
}

type scanner interface{ Scan(into ...any) error }

// querier is a pool or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}
