package app

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"filippo.io/age"

	"baton/internal/api"
	"baton/internal/pair"
)

// CreateBackup implements api.Backups: the site database without its history,
// encrypted with a password in the age format, which age itself can open.
func (b *backend) CreateBackup(ctx context.Context, password string, to io.Writer) error {
	recipient, err := age.NewScryptRecipient(password)
	if err != nil {
		return api.Errorf(api.Usage, "the password cannot be used: %w", err)
	}
	sealed, err := age.Encrypt(to, recipient)
	if err != nil {
		return fmt.Errorf("encrypt the backup: %w", err)
	}
	if err := b.site.Export(ctx, sealed); err != nil {
		return failure(err)
	}
	if err := sealed.Close(); err != nil {
		return fmt.Errorf("finish the backup: %w", err)
	}
	b.audit(ctx, "created a backup")
	return nil
}

// RestoreBackup implements api.Backups. The history stays as it is.
func (b *backend) RestoreBackup(ctx context.Context, password string, from io.Reader) error {
	identity, err := age.NewScryptIdentity(password)
	if err != nil {
		return api.Errorf(api.Usage, "the password cannot be used: %w", err)
	}
	if b.agent.Look().State.Record.Role == pair.Backup {
		return b.mustLead()
	}
	opened, err := age.Decrypt(from, identity)
	if err != nil {
		return &api.Error{Code: api.Refused, Text: "the backup does not open with this password, or is damaged: give the password that it was made with", Err: err}
	}
	return b.lead(ctx, "restored a backup", func() error {
		if err := b.site.Import(ctx, opened); err != nil {
			return err
		}
		return b.reload(ctx)
	})
}

// writeTar writes a directory as a tar archive.
func writeTar(to io.Writer, dir string) error {
	archive := tar.NewWriter(to)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open the export: %w", err)
	}
	defer func() { _ = root.Close() }() // only read from
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return addToTar(archive, root, name, entry)
	})
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return archive.Close()
}

func addToTar(archive *tar.Writer, root *os.Root, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	var target string
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = root.Readlink(name); err != nil {
			return err
		}
	}
	header, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return err
	}
	header.Name = filepath.ToSlash(name)
	if info.IsDir() {
		header.Name += "/"
	}
	if err := archive.WriteHeader(header); err != nil || !info.Mode().IsRegular() {
		return err
	}
	file, err := root.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read from
	_, err = io.Copy(archive, file)
	return err
}
