package inode

import "bytes"

// pageBytes is how much is written at least where something differs.
const pageBytes = 4 << 10

// Pages compares what comes with what a file has at the same place, page by page.
type Pages struct {
	room, ahead []byte // what was read, and is to be compared
	at          int64  // where that begins
}

// Same returns how many of the bytes for an offset are those of one page, and whether the file has the same
// there. Behind its end all is one page. What cannot be read is not the same.
func (p *Pages) Same(r Reading, offset int64, of []byte) (n int, same bool) {
	if offset >= r.Stamp.Size {
		return len(of), false
	}
	n = min(len(of), pageBytes-int(offset%pageBytes))
	if len(p.ahead) < n || p.at != offset {
		if cap(p.room) < len(of) {
			p.room = make([]byte, len(of))
		}
		got, _ := r.File.ReadAt(p.room[:len(of)], offset)
		p.at, p.ahead = offset, p.room[:got]
	}
	got := min(n, len(p.ahead))
	same = bytes.Equal(of[:n], p.ahead[:got])
	p.at, p.ahead = p.at+int64(got), p.ahead[got:]
	return n, same
}
