// Package schema is the tables of the site database, and the steps by which an older database
// comes to them: forward only. Each table is explained in the step that makes it.
//
// Start reading at Migrate.
package schema

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"baton/internal/pair"
)

//go:embed *.sql
var files embed.FS

// applicationID marks our databases in their header ("bton"), so that another
// program's file is never taken for one.
const applicationID = 0x62746f6e

// Version is the version of the site database that this program writes: the number
// of steps. Two appliances exchange it before a sync.
func Version() int { return len(steps()) }

// steps lists the schema's steps in order: forward only, never edited once released.
func steps() []string {
	names, err := fs.Glob(files, "*.sql")
	if err != nil { // the pattern is constant
		panic(err)
	}
	return names
}

// Migrate brings a database to Version, each step in a transaction of its own. It refuses the database
// of another program and one of a newer version.
func Migrate(ctx context.Context, db *sql.DB) error {
	var version, id, tables int
	row := db.QueryRowContext(ctx, `SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_user_version, pragma_application_id`)
	if err := row.Scan(&version, &id, &tables); err != nil {
		return err
	}
	switch {
	case id != applicationID && (id != 0 || tables > 0):
		return pair.Refuse(pair.Refused, "this is not a site database: name another file, or move it away")
	case version > Version():
		return pair.Refuse(pair.Refused, "the site database has version %d and this baton knows %d: install the version that wrote it",
			version, Version())
	}
	return TakeSteps(ctx, db, version, Version())
}

// TakeSteps brings a database from one version to another, which is not older.
func TakeSteps(ctx context.Context, db *sql.DB, from, to int) error {
	for i, name := range steps()[from:to] {
		if err := step(ctx, db, name, from+i+1); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func step(ctx context.Context, db *sql.DB, name string, version int) error {
	text, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	statements := fmt.Sprintf("%s\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;", text, applicationID, version)
	if _, err := tx.ExecContext(ctx, statements); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
