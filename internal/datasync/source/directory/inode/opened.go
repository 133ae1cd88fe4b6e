package inode

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// IsDatabase reports whether a file is one of a database that its program has open: of SQLite, its journal or log.
func IsDatabase(f *os.File) bool {
	var head [16]byte
	n, _ := f.ReadAt(head[:], 0) // a shorter file is none
	for _, magic := range []string{"SQLite format 3\x00", "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", "\x37\x7f\x06\x82", "\x37\x7f\x06\x83"} {
		if strings.HasPrefix(string(head[:n]), magic) {
			return true
		}
	}
	return false
}

// WritePages writes the dirty pages of a file and waits for them. A store through a
// mapping moves the times of a file only when it meets a clean page: what is stored
// from now on does. It reports false if the file system cannot.
func WritePages(f *os.File) bool {
	const all = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	return unix.SyncFileRange(int(f.Fd()), 0, 0, all) == nil
}
