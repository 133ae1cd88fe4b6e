// Package tree makes and changes the directory that a benchmark has copied.
package tree

import (
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Tree is the directory that is copied.
type Tree struct{ Dir string }

const smallPerDir = 200

// Small is the path of a small file.
func (t Tree) Small(i int) string {
	return filepath.Join(t.Dir, "small", fmt.Sprintf("d%04d", i/smallPerDir), fmt.Sprintf("f%07d", i))
}

// Write writes every so many of a number of small files of a size in bytes, with a text that tells the round.
func (t Tree) Write(files, size, every, round int) error {
	for i := 0; i < files; i += every {
		if i%smallPerDir == 0 {
			if err := os.MkdirAll(filepath.Dir(t.Small(i)), 0o755); err != nil { //nolint:gosec // no secret
				return fmt.Errorf("make the tree: %w", err)
			}
		}
		if err := t.WriteOne(i, size, round); err != nil {
			return err
		}
	}
	return nil
}

// WriteOne writes one small file, of a size in bytes, with a text that tells the round.
func (t Tree) WriteOne(i, size, round int) error {
	text := fmt.Sprintf("file %d in round %d\n", i, round)
	text = strings.Repeat(text, size/len(text)+1)[:size]
	if err := os.WriteFile(t.Small(i), []byte(text), 0o644); err != nil { //nolint:gosec // no secret
		return fmt.Errorf("make the tree: %w", err)
	}
	return nil
}

// Rename renames a name at the top.
func (t Tree) Rename(from, to string) error {
	if err := os.Rename(filepath.Join(t.Dir, from), filepath.Join(t.Dir, to)); err != nil {
		return fmt.Errorf("change the tree: %w", err)
	}
	return nil
}

// Large is the path of the large file.
func (t Tree) Large() string { return filepath.Join(t.Dir, "large") }

// WriteLarge makes a file longer by bytes that nothing can compress.
func (t Tree) WriteLarge(bytes int64) error {
	file, err := os.OpenFile(t.Large(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("make the large file: %w", err)
	}
	defer func() { _ = file.Close() }()
	if _, err := io.CopyN(file, rand.Reader, bytes); err != nil {
		return fmt.Errorf("make the large file: %w", err)
	}
	return nil
}

// ChangeBlocks writes one of so many blocks of 4 KiB anew.
func (t Tree) ChangeBlocks(size int64, of int64) error {
	file, err := os.OpenFile(t.Large(), os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("change the large file: %w", err)
	}
	defer func() { _ = file.Close() }()
	const block = 4 << 10
	content := make([]byte, block)
	for at := int64(0); at+block <= size; at += of * block {
		_, _ = rand.Read(content) // never fails
		if _, err := file.WriteAt(content, at); err != nil {
			return fmt.Errorf("change the large file: %w", err)
		}
	}
	return nil
}

// InsertByte makes a new file of one byte and the old one, and puts it in its place.
func (t Tree) InsertByte() error {
	old, err := os.Open(t.Large())
	if err != nil {
		return fmt.Errorf("change the large file: %w", err)
	}
	defer func() { _ = old.Close() }()
	file, err := os.Create(t.Large() + ".new")
	if err != nil {
		return fmt.Errorf("change the large file: %w", err)
	}
	defer func() { _ = file.Close() }()
	if _, err := io.Copy(file, io.MultiReader(strings.NewReader("x"), old)); err != nil {
		return fmt.Errorf("change the large file: %w", err)
	}
	return t.Rename("large.new", "large")
}

// Empty removes all that is in the tree.
func (t Tree) Empty() error {
	names, err := os.ReadDir(t.Dir)
	if err != nil {
		return fmt.Errorf("empty the tree: %w", err)
	}
	for _, name := range names {
		if err := os.RemoveAll(filepath.Join(t.Dir, name.Name())); err != nil {
			return fmt.Errorf("empty the tree: %w", err)
		}
	}
	return nil
}
