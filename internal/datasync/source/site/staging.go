package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/durable"
)

// staging is where an export waits. It implements source.Staging.
type staging struct{ kind *Kind }

// exportPrefix begins the name of a staged export; its hash ends it.
const exportPrefix = "export-"

func nameOf(wanted manifest.Listing) string { return nameBy(wanted.Whole().Hash) }

func nameBy(hash manifest.Hash) string { return exportPrefix + manifest.Digest(hash).String() }

func (s staging) staged(want manifest.Listing) bool {
	_, err := os.Lstat(filepath.Join(s.kind.dir, nameOf(want)))
	return err == nil
}

// Load implements source.Staging: an export is small.
func (staging) Load() (source.Load, error) { return source.Load{}, nil }

// Missing implements source.Staging.
func (s staging) Missing(_ context.Context, want manifest.Listing, _ func(files, bytes int64)) ([]source.Want, error) {
	if s.staged(want) {
		return nil, nil
	}
	return []source.Want{{Path: "."}}, nil
}

// Fill implements source.Staging. A part of an export is of no use to a later sync.
// Sum implements source.Staging.
func (staging) Sum(string) {}

func (s staging) Fill(context.Context, manifest.Entry, source.Have) (source.Incoming, error) {
	return &incoming{kind: s.kind}, nil
}

// Settle implements source.Staging.
func (s staging) Settle(want manifest.Listing) (source.Change, error) {
	if !s.staged(want) {
		return nil, source.Sentence(source.ErrMismatch, "The site database did not match its hash: check the memory and disks of both appliances.")
	}
	return change{s.kind, nameOf(want)}, nil
}

// Close implements source.Staging.
func (staging) Close() error { return nil }

// incoming is an export on its way in. It implements source.Incoming.
type incoming struct {
	source.Whole

	kind *Kind
	b    bytes.Buffer
}

// Data implements source.Sink.
func (in *incoming) Data(b []byte) error {
	_, err := in.b.Write(b)
	return err
}

// Hole implements source.Sink.
func (in *incoming) Hole(n int64) error { return in.Data(make([]byte, n)) }

// Offset implements source.Incoming.
func (in *incoming) Offset() int64 { return int64(in.b.Len()) }

// Restart implements source.Incoming.
func (in *incoming) Restart() error {
	in.b.Reset()
	return nil
}

// Finish implements source.Incoming.
func (in *incoming) Finish(e manifest.Entry) error {
	if blake3.Sum256(in.b.Bytes()) != e.Hash {
		return fmt.Errorf("%w: site database", source.ErrMismatch)
	}
	return source.Explain(durable.Replace(filepath.Join(in.kind.dir, nameBy(e.Hash)), in.b.Bytes()), in.kind.dir)
}

// Abort implements source.Incoming.
func (*incoming) Abort() {}

// change replaces the site database by a staged export. It implements source.Change.
type change struct {
	kind *Kind
	name string // of the export
}

// Resume implements source.Source.
func (s *site) Resume(b []byte) (source.Change, error) {
	name := string(b)
	if !strings.HasPrefix(name, exportPrefix) || strings.Contains(name, "/") {
		return nil, fmt.Errorf("%w: %.100q names no export", manifest.ErrMalformed, name)
	}
	return change{s.kind, name}, nil
}

// Append implements source.Change.
func (c change) Append(b []byte) []byte { return append(b, c.name...) }

// Sync implements source.Change: a staged export is durable, and so is a transaction.
func (change) Sync() error { return nil }

// Check implements source.Change.
func (change) Check() error { return nil }

// Apply implements source.Change.
func (c change) Apply(ctx context.Context, hook func(step string)) error {
	hook("import")
	f, err := os.Open(filepath.Join(c.kind.dir, c.name))
	if err != nil {
		return fmt.Errorf("open staged site database: %w", err)
	}
	defer func() { _ = f.Close() }()
	if err := c.kind.database.Import(ctx, f); err != nil {
		return source.Sentence(err, "The site database could not be imported: %v.", err)
	}
	return nil
}

// Final implements source.Change.
func (c change) Final(ctx context.Context) bool {
	_, now, err := c.kind.export(ctx)
	return err == nil && nameBy(now.Hash) == c.name
}

// Undo implements source.Change: what is not final has changed nothing.
func (change) Undo(func(step string)) error { return nil }

// ApplyRest implements source.Change.
func (c change) ApplyRest(ctx context.Context) (source.Leftover, error) {
	if err := c.Apply(ctx, func(string) {}); err != nil {
		return source.Leftover{Names: []string{"users, tokens and settings (" + source.Bare(err) + ")"}}, nil
	}
	return source.Leftover{}, nil
}

// Done implements source.Change.
func (c change) Done() error {
	if err := os.Remove(filepath.Join(c.kind.dir, c.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return source.Explain(err, c.kind.dir)
	}
	return nil
}
