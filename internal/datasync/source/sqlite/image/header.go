package image

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// headerSize is the length of what a database begins with, in bytes.
const headerSize = 100

const magic = "SQLite format 3\x00"

// Bounds of the size of a page, in bytes: a power of two between them.
const (
	minPage = 512
	maxPage = 64 << 10
)

// header is what a database says of itself.
type header struct {
	pageSize int64
	wal      bool   // its journal is a write-ahead log
	changes  uint32 // counts transactions of a database with a rollback journal
	pages    uint32 // 0: the size of the file says how many
}

func parseHeader(b []byte) (header, error) {
	if len(b) < headerSize || !strings.HasPrefix(string(b), magic) {
		return header{}, ErrNoDatabase
	}
	h := header{pageSize: pageSize(uint32(binary.BigEndian.Uint16(b[16:]))), changes: binary.BigEndian.Uint32(b[24:])}
	if h.changes == binary.BigEndian.Uint32(b[92:]) { // else a version of SQLite before 3.7.0 has written it last
		h.pages = binary.BigEndian.Uint32(b[28:])
	}
	switch write, read := b[18], b[19]; {
	case h.pageSize == 0:
		return header{}, ErrNoDatabase
	case write > 2 || read > 2 || write < 1 || read < 1:
		return header{}, fmt.Errorf("%w: a newer version of SQLite has made it", ErrNoDatabase)
	default:
		h.wal = write == 2
	}
	return h, nil
}

// pageSize is the size of a page as it is written in two bytes; 0: it is none.
func pageSize(n uint32) int64 {
	if n == 1 {
		return maxPage
	}
	if n < minPage || n&(n-1) != 0 {
		return 0
	}
	return int64(n)
}
