package rows

import (
	"io"
	"io/fs"
	"time"
)

// The names of the two databases for SQLite.
const (
	copyName    = "copy.db"
	currentName = "now.db"
)

// both is a file system of two files.
type both struct{ copied, current *io.SectionReader }

// Open implements fs.FS.
func (b both) Open(name string) (fs.File, error) {
	switch name {
	case copyName:
		return file{io.NewSectionReader(b.copied, 0, b.copied.Size()), name}, nil
	case currentName:
		return file{io.NewSectionReader(b.current, 0, b.current.Size()), name}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// file is one of them, open. It implements fs.File, io.Seeker and fs.FileInfo.
type file struct {
	*io.SectionReader

	name string
}

func (f file) Stat() (fs.FileInfo, error) { return f, nil }
func (file) Close() error                 { return nil }
func (f file) Name() string               { return f.name }
func (file) Mode() fs.FileMode            { return 0o400 }
func (file) ModTime() time.Time           { return time.Time{} }
func (file) IsDir() bool                  { return false }
func (file) Sys() any                     { return nil }
