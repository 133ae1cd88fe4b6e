// Package archive has entries of protected data as a tar archive (PAX), with owner, mode, time in
// nanoseconds and extended attributes. An entry has the name of its data before its path: NAME/PATH.
//
// A further name of a file is a file of its own there.
//
// Start reading at Writer.
package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// xattrKey begins the key of an extended attribute in a PAX header, as GNU tar and bsdtar have it.
const xattrKey = "SCHILY.xattr."

// Writer writes an archive.
type Writer struct{ tar *tar.Writer }

// NewWriter returns a writer of an archive; Close ends it.
func NewWriter(to io.Writer) *Writer { return &Writer{tar: tar.NewWriter(to)} }

// Add adds one entry of some data. The content, of a File only, has exactly its size.
func (w *Writer) Add(data string, e manifest.Entry, content func(io.Writer) error) error {
	header := &tar.Header{
		Name: nameOf(data, e.Path), Mode: int64(e.Mode), Uid: int(e.UID), Gid: int(e.GID), ModTime: time.Unix(0, e.ModTime),
		Format: tar.FormatPAX, PAXRecords: map[string]string{},
	}
	switch e.Kind {
	case manifest.Dir:
		header.Typeflag = tar.TypeDir
		header.Name += "/"
	case manifest.File:
		header.Typeflag, header.Size = tar.TypeReg, e.Size
	case manifest.Symlink:
		header.Typeflag, header.Linkname = tar.TypeSymlink, e.Target
	case manifest.Fifo:
		header.Typeflag = tar.TypeFifo
	case manifest.Link, manifest.Blob:
		return fmt.Errorf("archive %q: %w", e.Path, fs.ErrInvalid)
	}
	for _, x := range e.XAttrs {
		header.PAXRecords[xattrKey+x.Name] = x.Value
	}
	if err := w.tar.WriteHeader(header); err != nil {
		return fmt.Errorf("archive %q: %w", e.Path, err)
	}
	if e.Kind != manifest.File {
		return nil
	}
	return content(w.tar)
}

// nameOf is the name in an archive of a path of some data.
func nameOf(data, path string) string {
	if path == "." {
		return data
	}
	return data + "/" + path
}

// LacksName is the file at the end of an archive that names what could not be restored, a line each.
const LacksName = "NOT-RESTORED.txt"

// Tell adds a text for whoever reads the archive.
func (w *Writer) Tell(name, text string) error {
	header := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(text)), Format: tar.FormatPAX}
	if err := w.tar.WriteHeader(header); err != nil {
		return fmt.Errorf("archive %q: %w", name, err)
	}
	_, err := io.WriteString(w.tar, text)
	return err
}

// Close ends the archive.
func (w *Writer) Close() error { return w.tar.Close() }

// Reader reads an archive.
type Reader struct{ tar *tar.Reader }

// NewReader returns a reader of an archive.
func NewReader(from io.Reader) *Reader { return &Reader{tar.NewReader(from)} }

// Next returns the next entry and the name of its data; io.EOF: there is none. Read then reads its content.
// What could lead out of the data, or is no entry of any, is source.ErrUnsafe.
func (r *Reader) Next() (data string, e manifest.Entry, err error) {
	header, err := r.tar.Next()
	if errors.Is(err, io.EOF) {
		return "", e, io.EOF
	}
	if err != nil {
		return "", e, unsafe(err)
	}
	name := strings.TrimSuffix(header.Name, "/")
	data, path, below := strings.Cut(name, "/")
	if !below {
		path = "."
	}
	e = manifest.Entry{
		Path: path, Mode: uint32(header.Mode), UID: uint32(header.Uid), GID: uint32(header.Gid), //nolint:gosec // checked below, or any number will do
		ModTime: header.ModTime.UnixNano(), Size: header.Size,
	}
	switch header.Typeflag {
	case tar.TypeDir:
		e.Kind = manifest.Dir
	case tar.TypeReg:
		e.Kind = manifest.File
	case tar.TypeSymlink:
		e.Kind, e.Target = manifest.Symlink, header.Linkname
	case tar.TypeFifo:
		e.Kind = manifest.Fifo
	default:
		return "", e, unsafe(fmt.Errorf("%q is of kind %q", header.Name, header.Typeflag))
	}
	for key, value := range header.PAXRecords {
		if name, is := strings.CutPrefix(key, xattrKey); is {
			e.XAttrs = append(e.XAttrs, manifest.XAttr{Name: name, Value: value})
		}
	}
	slices.SortFunc(e.XAttrs, func(a, b manifest.XAttr) int { return strings.Compare(a.Name, b.Name) })
	if err := e.Check(); err != nil || data == "" || len(data) > pair.MaxName {
		return "", e, unsafe(errors.Join(err, fmt.Errorf("%q is no name", header.Name)))
	}
	return data, e, nil
}

// Read reads the content of the entry that Next returned.
func (r *Reader) Read(b []byte) (int, error) { return r.tar.Read(b) }

func unsafe(err error) error {
	return source.Sentence(source.ErrUnsafe, "The archive is cut off or damaged (%v): try again.", err)
}

// Chosen says which entries are asked for, as NAME or NAME/PATH.
type Chosen []string

// Has reports whether a path of some data is asked for, by itself or with what it is in.
func (c Chosen) Has(data, path string) bool {
	if c == nil {
		return true
	}
	name := nameOf(data, path)
	return slices.ContainsFunc(c, func(one string) bool {
		return name == one || strings.HasPrefix(name, one+"/")
	})
}

// Leads reports whether something that is asked for is in a path of some data.
func (c Chosen) Leads(data, path string) bool {
	name := nameOf(data, path)
	return slices.ContainsFunc(c, func(one string) bool { return strings.HasPrefix(one, name+"/") })
}
