package copies

import (
	"archive/tar"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

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
