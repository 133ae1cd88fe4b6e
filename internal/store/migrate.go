package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"baton/internal/pair"
)

//go:embed schema/*.sql
var schema embed.FS

// applicationID marks our databases in their header ("bton"), so that another
// program's file is never taken for one.
const applicationID = 0x62746f6e

// SchemaVersion is the version of the site database that this program writes:
// the number of steps in schema/. Two appliances exchange it before a sync.
func SchemaVersion() int { return len(steps()) }

// steps lists the schema's steps in order: forward only, never edited once released.
func steps() []string {
	names, err := fs.Glob(schema, "schema/*.sql")
	if err != nil { // the pattern is constant
		panic(err)
	}
	return names
}

// migrate brings a database to SchemaVersion, each step in a transaction of its own.
func migrate(ctx context.Context, db *sql.DB) error {
	var version, id, tables int
	row := db.QueryRowContext(ctx, `SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_user_version, pragma_application_id`)
	if err := row.Scan(&version, &id, &tables); err != nil {
		return err
	}
	switch {
	case id != applicationID && (id != 0 || tables > 0):
		return pair.Refuse(pair.Refused, "this is not a site database: name another file, or move it away")
	case version > SchemaVersion():
		return pair.Refuse(pair.Refused, "the site database has version %d and this baton knows %d: install the version that wrote it",
			version, SchemaVersion())
	}
	return takeSteps(ctx, db, version, SchemaVersion())
}

// takeSteps brings a database from one version to another.
func takeSteps(ctx context.Context, db *sql.DB, from, to int) error {
	for i, name := range steps()[from:to] {
		if err := step(ctx, db, name, from+i+1); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func step(ctx context.Context, db *sql.DB, name string, version int) error {
	text, err := schema.ReadFile(name)
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
