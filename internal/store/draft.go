package store

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"baton/internal/cause"
	"baton/internal/pair"
	"baton/internal/store/schema"
)

// Draft is an export that was read whole, held to the rules of what is set here
// and brought up to this version, but not imported: to be looked at first. It is
// kept in memory.
type Draft struct{ site *Site }

// Contents says what a draft holds.
type Contents struct {
	SiteName       string   // empty if none is set
	Users          int      // accounts, disabled ones included
	Administrators int      // those who may sign in
	Tokens         int      // of the API
	Data           int      // pieces of protected data
	Documents      []string // names of the documents
}

// Draft reads an export of this version or an earlier one. Close frees it.
func (s *Site) Draft(ctx context.Context, r io.Reader) (*Draft, error) {
	lines, version, err := beginExport(r)
	if err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	return s.draft(ctx, lines, version)
}

func (s *Site) draft(ctx context.Context, lines *bufio.Scanner, version int) (*Draft, error) {
	memory, err := sql.Open("sqlite", dsn(":memory:", ""))
	if err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	memory.SetMaxOpenConns(1) // another connection would have another memory
	db := &database{path: "memory", writer: memory, reader: memory}
	site := &Site{Data: Data{db, s.Data.places}, db: db}
	if err := site.fill(ctx, lines, version); err != nil {
		return nil, errors.Join(db.explain("read the export", err), memory.Close())
	}
	return &Draft{site}, nil
}

// fill takes an export into the tables as they were in its version, and then
// goes the way of every old database.
func (s *Site) fill(ctx context.Context, lines *bufio.Scanner, version int) error {
	if err := schema.TakeSteps(ctx, s.db.writer, 0, version); err != nil {
		return err
	}
	err := s.db.write(ctx, "read the export", func(tx *sql.Tx) error {
		tables, err := allTables(ctx, tx)
		if err != nil {
			return err
		}
		return replaceTables(ctx, tx, tables, lines)
	})
	if err != nil {
		return err
	}
	if err := schema.TakeSteps(ctx, s.db.writer, version, schema.Version()); err != nil {
		return pair.Refuse(pair.Refused, "the export is of version %d and does not fit this one: %s", version, cause.Plain(err))
	}
	return s.db.write(ctx, "check the export", func(tx *sql.Tx) error { return s.checkImported(ctx, tx) })
}

func allTables(ctx context.Context, tx *sql.Tx) ([]string, error) {
	return list(ctx, tx, scanText, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
}

// Close frees the draft.
func (d *Draft) Close() error { return d.site.db.writer.Close() }

// export returns the draft as an export of this version, behind its first line.
func (d *Draft) export(ctx context.Context) (*bufio.Scanner, error) {
	var stream bytes.Buffer
	if err := d.site.db.export(ctx, &stream); err != nil {
		return nil, d.site.db.explain("export the draft", err)
	}
	lines, _, err := beginExport(&stream)
	return lines, err
}

// Contents tells what the draft holds.
func (d *Draft) Contents(ctx context.Context) (Contents, error) {
	var found Contents
	row := d.site.db.reader.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM user), (SELECT count(*) FROM token), (SELECT count(*) FROM data),
		(SELECT count(*) FROM user WHERE role = ? AND NOT disabled)`, pair.Administrator)
	err := row.Scan(&found.Users, &found.Tokens, &found.Data, &found.Administrators)
	if err != nil {
		return Contents{}, d.site.db.explain("look into the export", err)
	}
	all, err := readDocuments(ctx, d.site.db.reader)
	for _, document := range all {
		found.Documents = append(found.Documents, document.Name)
		if document.Name == SiteDocument {
			found.SiteName = nameIn(document.Value)
		}
	}
	return found, d.site.db.explain("look into the export", err)
}

// nameIn reads the name of the site in its document.
func nameIn(document []byte) string {
	var site struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(document, &site) != nil {
		return "" // a document of another form has no name that could be shown
	}
	return site.Name
}

// Restore replaces all tables but the history by a draft. A user who was editing one
// of them is told so when saving, and all users are signed out.
func (s *Site) Restore(ctx context.Context, d *Draft) error {
	holds, err := d.Contents(ctx)
	if err != nil {
		return err
	}
	if holds.Administrators == 0 {
		return pair.Refuse(pair.Refused, "this backup holds no administrator who may sign in: choose another one")
	}
	lines, err := d.export(ctx)
	if err != nil {
		return err
	}
	return s.db.write(ctx, "restore the backup", func(tx *sql.Tx) error {
		before, err := readVersions(ctx, tx)
		if err != nil {
			return err
		}
		if err := replaceTables(ctx, tx, sharedTables(), lines); err != nil {
			return err
		}
		return errors.Join(before.rise(ctx, tx), s.checkImported(ctx, tx))
	})
}

// versions are the highest that were given out.
type versions struct{ settings, document, user, signOuts int64 }

func readVersions(ctx context.Context, tx *sql.Tx) (v versions, err error) {
	row := tx.QueryRowContext(ctx, `SELECT (SELECT version FROM setting_version), (SELECT coalesce(max(version), 0) FROM document),
		(SELECT coalesce(max(version), 0) FROM user), (SELECT coalesce(max(sign_outs), 0) FROM user)`)
	err = row.Scan(&v.settings, &v.document, &v.user, &v.signOuts)
	return v, err
}

// rise gives everything a version that nobody has seen.
func (v versions) rise(ctx context.Context, tx *sql.Tx) error {
	for _, change := range []struct {
		statement string
		least     int64
	}{
		{`UPDATE setting_version SET version = max(version, ?) + 1`, v.settings},
		{`UPDATE document SET version = max(version, ?) + 1`, v.document},
		{`UPDATE user SET version = max(version, ?) + 1`, v.user},
		{`UPDATE user SET sign_outs = max(sign_outs, ?) + 1`, v.signOuts},
	} {
		if _, err := tx.ExecContext(ctx, change.statement, change.least); err != nil {
			return err
		}
	}
	return nil
}
