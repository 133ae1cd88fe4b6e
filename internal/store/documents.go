package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"baton/internal/pair"
)

// maxDocument bounds one document, in bytes: however it is escaped, it fits one
// line of an export.
const maxDocument = 128 << 10

// Document returns a document of the site, as JSON, and the version to hand to
// SaveDocument: nil and 0 if it was never saved.
func (s *Site) Document(ctx context.Context, name string) (value []byte, version int64, err error) {
	value, version, err = readDocument(ctx, s.reader, name)
	return value, version, s.explain("read the document "+name, err)
}

// Document is one document of the site.
type Document struct {
	Name    string
	Value   []byte // JSON
	Version int64
}

// Documents returns all documents of the site, by name.
func (s *Site) Documents(ctx context.Context) ([]Document, error) {
	var all []Document
	rows, err := s.reader.QueryContext(ctx, `SELECT name, value, version FROM document ORDER BY name`)
	err = each(rows, err, func(row scanner) error {
		var d Document
		err := row.Scan(&d.Name, &d.Value, &d.Version)
		all = append(all, d)
		return err
	})
	return all, s.explain("read the documents", err)
}

// TakeDocument replaces a document by the primary's, ahead of the data sync that
// brings it as well. The primary has written the event.
func (s *Site) TakeDocument(ctx context.Context, d Document) error {
	if err := checkDocument(d.Name, d.Value); err != nil {
		return err
	}
	if d.Version < 1 {
		return pair.Refuse(pair.Refused, "the document %s has no version", d.Name)
	}
	return s.write(ctx, "take the document "+d.Name, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO document (name, value, version) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value, version = excluded.version`, d.Name, string(d.Value), d.Version)
		return err
	})
}

func readDocument(ctx context.Context, from querier, name string) (value []byte, version int64, err error) {
	row := from.QueryRowContext(ctx, `SELECT value, version FROM document WHERE name = ?`, name)
	if err = row.Scan(&value, &version); errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	return value, version, err
}

// SaveDocument saves a document, together with the event that tells of it, and
// returns its new version. It refuses with pair.Stale if the version is no
// longer wantVersion.
func (s *Site) SaveDocument(ctx context.Context, name string, value []byte, wantVersion int64, event pair.Event) (version int64, err error) {
	if err := checkDocument(name, value); err != nil {
		return 0, err
	}
	err = s.write(ctx, "save the document "+name, func(tx *sql.Tx) error {
		_, version, err = readDocument(ctx, tx, name)
		if err != nil {
			return err
		}
		if version != wantVersion {
			return pair.Refuse(pair.Stale, "somebody else has changed this meanwhile: look at it again, then save")
		}
		version++
		if _, err := tx.ExecContext(ctx, `INSERT INTO document (name, value, version) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value, version = excluded.version`, name, string(value), version); err != nil {
			return err
		}
		_, err := s.appendTo(ctx, tx, event)
		return err
	})
	if err != nil {
		return 0, err
	}
	return version, nil
}

func checkDocument(name string, value []byte) error {
	switch {
	case !validName(name, "-"):
		return pair.Refuse(pair.Refused, "%.80q is not the name of a document", name)
	case len(value) > maxDocument:
		return pair.Refuse(pair.Refused, "this is %d bytes and at most %d can be kept: shorten it", len(value), maxDocument)
	case !json.Valid(value):
		return pair.Refuse(pair.Refused, "the document %s is not JSON", name)
	}
	return nil
}

// checkAllDocuments holds the documents of an import to the rules of SaveDocument.
func checkAllDocuments(ctx context.Context, tx *sql.Tx) error {
	rows, err := tx.QueryContext(ctx, `SELECT name, value FROM document`)
	return each(rows, err, func(row scanner) error {
		var name string
		var value []byte
		if err := row.Scan(&name, &value); err != nil {
			return err
		}
		return checkDocument(name, value)
	})
}
