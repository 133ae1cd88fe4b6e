package cli

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"baton/internal/cause"
	"baton/internal/pair"
)

// emptyDirectory makes sure that nothing can be overwritten.
func emptyDirectory(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return pair.Refuse(pair.Usage, "the directory cannot be made: %w", cause.Plain(err))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return pair.Refuse(pair.Usage, "the directory cannot be read: %w", cause.Plain(err))
	}
	if len(entries) > 0 {
		return pair.Refuse(pair.Usage, "%s is not empty: name a new directory", dir)
	}
	return nil
}

// unpack writes the files of a tar archive below dir and never outside it,
// whatever the archive says. It returns how many files it wrote.
func unpack(archive io.Reader, dir string) (files int, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	entries := tar.NewReader(archive)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return files, pair.Refuse(pair.Failed, "the copy did not arrive whole: delete %s and try again (%w)", dir, cause.Plain(err))
		}
		if err := unpackEntry(root, header, entries); err != nil {
			return files, fmt.Errorf("write %q: %w", header.Name, err)
		}
		if header.Typeflag != tar.TypeDir {
			files++
		}
	}
}

func unpackEntry(root *os.Root, header *tar.Header, content io.Reader) error {
	mode := fs.FileMode(header.Mode) & fs.ModePerm //nolint:gosec // masked to nine bits
	name := path.Clean(header.Name)
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(name, mode|0o700)
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, name)
	case tar.TypeLink:
		return root.Link(path.Clean(header.Linkname), name)
	case tar.TypeReg:
		return unpackFile(root, name, mode, header, content)
	}
	return fmt.Errorf("it is of kind %q, which an export does not hold", header.Typeflag)
}

func unpackFile(root *os.Root, name string, mode fs.FileMode, header *tar.Header, content io.Reader) error {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, copied := io.Copy(file, content)
	if err := errors.Join(copied, file.Close()); err != nil {
		return err
	}
	return root.Chtimes(name, header.ModTime, header.ModTime)
}
