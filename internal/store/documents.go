package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"baton/internal/pair"
)

// maxDocument bounds one document, in bytes: however it is escaped, it fits one
// line of an export.
const maxDocument = 128 << 10

// The documents of a site.
const (
	SiteDocument          = "site"          // what it is called and shows
	CertificateDocument   = "certificate"   // its certificate
	NotificationsDocument = "notifications" // who is told of what
	SecurityDocument      = "security"      // who may come in
)

// Documents are what the site is besides settings: each one JSON value.
type Documents struct {
	db      *database
	history History
}

// Get returns a document of the site, as JSON, and the version to hand to
// Save: nil and 0 if it was never saved.
func (d Documents) Get(ctx context.Context, name string) (value []byte, version int64, err error) {
	all, err := d.all(ctx)
	for _, document := range all {
		if document.Name == name {
			value, version = slices.Clone(document.Value), document.Version
		}
	}
	return value, version, d.db.explain("read the document "+name, err)
}

// Document is one document of the site.
type Document struct {
	Name    string
	Value   []byte // JSON
	Version int64
}

// Read reads a document; one that was never saved leaves into as it is, with
// version 0.
func (d Documents) Read(ctx context.Context, name string, into any) (version int64, err error) {
	text, version, err := d.Get(ctx, name)
	if err != nil || version == 0 {
		return 0, err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return version, fmt.Errorf("read the document %s: %w", name, err)
	}
	return version, nil
}

// List returns all documents of the site, by name.
func (d Documents) List(ctx context.Context) ([]Document, error) {
	all, err := d.all(ctx)
	return slices.Clone(all), d.db.explain("read the documents", err)
}

// all returns the documents by name. They are shared.
func (d Documents) all(ctx context.Context) ([]Document, error) {
	return d.db.documents.Read(ctx, d.db.counter, func() ([]Document, error) { return readDocuments(ctx, d.db.reader) })
}

// Take replaces a document by the primary's, ahead of the data sync that
// brings it as well. The primary has written the event.
func (d Documents) Take(ctx context.Context, document Document) error {
	if err := checkDocument(document.Name, document.Value); err != nil {
		return err
	}
	if document.Version < 1 {
		return pair.Refuse(pair.Refused, "the document %s has no version", document.Name)
	}
	return d.db.exec(ctx, "take the document "+document.Name, nil, `INSERT INTO document (name, value, version) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value, version = excluded.version`, document.Name, string(document.Value), document.Version)
}

func readDocuments(ctx context.Context, from querier) ([]Document, error) {
	return list(ctx, from, func(row scanner) (document Document, err error) {
		err = row.Scan(&document.Name, &document.Value, &document.Version)
		return document, err
	}, `SELECT name, value, version FROM document ORDER BY name`)
}

func readDocument(ctx context.Context, from querier, name string) (value []byte, version int64, err error) {
	row := from.QueryRowContext(ctx, `SELECT value, version FROM document WHERE name = ?`, name)
	if err = row.Scan(&value, &version); errors.Is(err, sql.ErrNoRows) {
		return nil, 0, nil
	}
	return value, version, err
}

// Save saves a document, together with the event that tells of it, and
// returns its new version. It refuses with pair.Stale if the version is no
// longer wantVersion.
func (d Documents) Save(ctx context.Context, name string, value []byte, wantVersion int64, event pair.Event) (version int64, err error) {
	if err := checkDocument(name, value); err != nil {
		return 0, err
	}
	err = d.db.write(ctx, "save the document "+name, func(tx *sql.Tx) error {
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
		_, err := d.history.append(ctx, tx, event)
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

// checkAllDocuments holds the documents of an import to the rules of Save.
func checkAllDocuments(ctx context.Context, tx *sql.Tx) error {
	all, err := readDocuments(ctx, tx)
	for _, document := range all {
		err = errors.Join(err, checkDocument(document.Name, document.Value))
	}
	return err
}
