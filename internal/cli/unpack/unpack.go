// Package unpack writes what an appliance exports into a directory, and never outside it.
//
// Start reading at Archive.
package unpack

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"baton/internal/cause"
	"baton/internal/pair"
)

// EmptyDirectory makes sure that nothing can be overwritten.
func EmptyDirectory(dir string) error {
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

// Archive writes the files of a tar archive below dir and never outside it,
// whatever the archive says. It returns how many files it wrote.
func Archive(archive io.Reader, dir string) (files int, err error) {
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
		if err := entry(root, header, entries); err != nil {
			return files, fmt.Errorf("write %q: %w", header.Name, err)
		}
		if header.Typeflag != tar.TypeDir {
			files++
		}
	}
}

func entry(root *os.Root, header *tar.Header, content io.Reader) error {
	mode := fs.FileMode(header.Mode) & fs.ModePerm //nolint:gosec // masked to nine bits
	name := path.Clean(header.Name)
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	switch header.Typeflag {
	case tar.TypeDir:
		return directory(root, name, mode|0o700, header)
	case tar.TypeSymlink:
		return root.Symlink(header.Linkname, name)
	case tar.TypeLink:
		return root.Link(path.Clean(header.Linkname), name)
	case tar.TypeFifo: // nothing is in it
		return nil
	case tar.TypeReg:
		return file(root, name, mode, header, content)
	}
	return fmt.Errorf("it is of kind %q, which an export does not hold", header.Typeflag)
}

func directory(root *os.Root, name string, mode fs.FileMode, header *tar.Header) error {
	if err := root.MkdirAll(name, mode); err != nil {
		return err
	}
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(ownedAs(dir, mode, header), dir.Close())
}

func file(root *os.Root, name string, mode fs.FileMode, header *tar.Header, content io.Reader) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, copied := io.Copy(f, content)
	own := ownedAs(f, mode, header)
	if err := errors.Join(copied, own, f.Close()); err != nil {
		return err
	}
	return root.Chtimes(name, header.ModTime, header.ModTime)
}

// ownedAs gives what root unpacks its owner, group and extended attributes. What is unpacked by anybody else is theirs.
func ownedAs(file *os.File, mode fs.FileMode, header *tar.Header) error {
	if os.Geteuid() != 0 {
		return nil
	}
	if err := errors.Join(file.Chown(header.Uid, header.Gid), file.Chmod(mode)); err != nil {
		return err
	}
	for key, value := range header.PAXRecords {
		name, is := strings.CutPrefix(key, "SCHILY.xattr.")
		if !is || name == "security.capability" { // as with setuid, nobody gets rights by what is unpacked
			continue
		}
		err := unix.Fsetxattr(int(file.Fd()), name, []byte(value), 0)
		if err != nil && !errors.Is(err, unix.ENOTSUP) {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}
