// Package site makes the site database a source of the data sync. Its state is one
// export, which travels with the manifest and replaces the other side's in one
// transaction: it can be applied again, but not be taken back.
//
// Start reading at Kind.Open, then staging.go.
package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/kept"
	"baton/internal/pair"
)

// Database is the site database as this package needs it.
type Database interface {
	// Export writes a consistent stream of settings, users and definitions.
	Export(ctx context.Context, w io.Writer) error
	// Import replaces them in one transaction. It refuses a truncated stream and
	// one of a newer schema, and may be called again with the same stream.
	Import(ctx context.Context, r io.Reader) error
	// Copy writes a consistent copy of the whole database file to a new path.
	Copy(ctx context.Context, path string) error
}

// Kind is the kind of data that is the site database. It implements source.Kind.
type Kind struct {
	database Database
	dir      string // in which exports are staged
}

// New makes the kind, and the directory in which it stages exports.
func New(database Database, dir string) (*Kind, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the staging directory of the site database: %w", err)
	}
	return &Kind{database: database, dir: dir}, nil
}

// Check implements source.Kind.
func (*Kind) Check(set manifest.Set) error {
	if set.Whole().Kind != manifest.Blob {
		return fmt.Errorf("%w: a site database is one export", manifest.ErrMalformed)
	}
	return nil
}

// Open implements source.Kind.
func (k *Kind) Open(pair.Data, source.Purpose) (source.Source, error) { return &site{kind: k}, nil }

// Agreed implements source.Kind.
func (*Kind) Agreed(pair.Data, manifest.Listing) {}

// Always implements source.Kind: every pair protects the site database.
func (*Kind) Always() pair.Data {
	return pair.Data{Name: pair.SiteDatabaseName, Spec: pair.SiteDatabase{}}
}

// Idle implements source.Kind.
func (*Kind) Idle() []byte { return nil }

// Changed implements source.Kind: an export is small.
func (*Kind) Changed(pair.Data, manifest.Listing) (<-chan struct{}, bool) { return nil, false }

// Mount implements source.Kind: the site database lies in the daemon's own directory.
func (*Kind) Mount(pair.Data) string { return "" }

// Unmounted implements source.Kind.
func (*Kind) Unmounted(pair.Data, string) string { return "" }

// export returns the database as it is now, and its one entry.
func (k *Kind) export(ctx context.Context) ([]byte, manifest.Entry, error) {
	var export bytes.Buffer
	if err := k.database.Export(ctx, &export); err != nil {
		return nil, manifest.Entry{}, fmt.Errorf("export site database: %w", err)
	}
	return export.Bytes(), manifest.Entry{Path: ".", Kind: manifest.Blob, Hash: blake3.Sum256(export.Bytes())}, nil
}

// site is the site database, open. It implements source.Source.
type site struct {
	kind *Kind
	have manifest.Entry // as scanned
}

// String implements source.Source.
func (*site) String() string { return "the site database" }

// Close implements source.Source.
func (*site) Close() error { return nil }

// Keep implements source.Source: an export is of one moment.
func (*site) Keep(func() (manifest.Set, bool)) {}

// Scan implements source.Source. Every scheme hashes an export alike.
func (s *site) Scan(ctx context.Context, _ manifest.Scheme) (source.Scan, error) {
	export, have, err := s.kind.export(ctx)
	s.have = have
	return source.Scan{Listing: manifest.NewListing(manifest.Child{Entry: have}), Place: place{}, Content: content(export)}, err
}

// Stage implements source.Source.
func (s *site) Stage(want manifest.Listing) (source.Staging, error) {
	if s.have.Hash == want.Whole().Hash {
		return nil, nil //nolint:nilnil // as the contract says: nothing has to change
	}
	return staging{s.kind}, s.kind.drop(nameOf(want))
}

// DropStaging implements source.Source.
func (s *site) DropStaging() error { return s.kind.drop("") }

// drop removes every staged export but one.
func (k *Kind) drop(but string) error {
	names, err := os.ReadDir(k.dir)
	for _, name := range names {
		if name.Name() != but {
			err = errors.Join(err, os.RemoveAll(filepath.Join(k.dir, name.Name())))
		}
	}
	return source.Explain(err, k.dir)
}

// copyName is the name of the whole database in a diverged copy.
const copyName = "site.db"

// SetAside implements source.Source: it copies the whole database.
func (s *site) SetAside(ctx context.Context, _ source.Divergence, into string) ([]kept.DivergedFile, error) {
	if err := s.kind.database.Copy(ctx, filepath.Join(into, copyName)); err != nil {
		return nil, fmt.Errorf("copy site database: %w", err)
	}
	return nil, nil
}

// place is that of the site database. It implements source.Place.
type place struct{}

// Apart implements source.Place: there is one site database.
func (place) Apart(other source.Place) error {
	if other == source.Place(place{}) {
		return source.Sentence(source.ErrUnsafe, "The site database would be synced twice: report this as a defect of Baton.")
	}
	return nil
}

// content is an export. It implements source.Content and source.Reader.
type content []byte

// Open implements source.Content.
func (c content) Open() (source.Reader, error) { return c, nil }

// Close implements source.Reader.
func (content) Close() error { return nil }

// Send implements source.Reader.
func (c content) Send(ctx context.Context, e manifest.Entry, have source.Have, sink source.Sink) (manifest.Entry, error) {
	if err := ctx.Err(); err != nil {
		return e, err
	}
	return e, sink.Data(c[min(have.Offset, int64(len(c))):])
}
