package image

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
)

// Sizes within a log, in bytes.
const (
	logHeader   = 32
	frameHeader = 24

	readAtOnce = 256 << 10
)

// checksum is the sum that a log keeps of its frames.
type checksum [2]uint32

// add adds bytes, of which there are a multiple of 8.
func (c *checksum) add(order binary.ByteOrder, b []byte) {
	one, two := c[0], c[1]
	for ; len(b) >= 8; b = b[8:] {
		one += order.Uint32(b) + two
		two += order.Uint32(b[4:]) + one
	}
	*c = checksum{one, two}
}

// log is a write-ahead log, and how far it was read.
type log struct {
	pageSize int64
	salt     [8]byte
	ino      uint64            // of the file
	order    binary.ByteOrder  // of its sums
	frames   uint32            // that were read; the last of them is committed
	sum      checksum          // of the last one
	pages    uint32            // of the database with these
	at       map[uint32]uint32 // by page: the newest of the frames, from 1 on, that has it
}

// openLog reads what a log begins with. Without a whole beginning it is no log: errNoLog.
func openLog(f *os.File) (*log, error) {
	var b [logHeader]byte
	if _, err := f.ReadAt(b[:], 0); errors.Is(err, io.EOF) {
		return nil, errNoLog
	} else if err != nil {
		return nil, err
	}
	s, err := stampOf(f)
	if err != nil {
		return nil, err
	}
	l := &log{order: binary.LittleEndian, salt: [8]byte(b[16:24]), ino: s.ino, at: map[uint32]uint32{}}
	first := binary.BigEndian.Uint32(b[:])
	if first&1 != 0 {
		l.order = binary.BigEndian
	}
	size := binary.BigEndian.Uint32(b[8:])
	l.pageSize = pageSize(size)
	if size == maxPage {
		l.pageSize = maxPage
	}
	l.sum.add(l.order, b[:24])
	if first&^1 != 0x377f0682 || binary.BigEndian.Uint32(b[4:]) != indexFormat || l.pageSize == 0 || size == 1 ||
		l.sum != (checksum{binary.BigEndian.Uint32(b[24:]), binary.BigEndian.Uint32(b[28:])}) {
		return nil, errNoLog
	}
	return l, nil
}

var errNoLog = errors.New("there is no log")

// frame returns where a frame begins, counted from 1.
func (l *log) frame(n uint32) int64 { return logHeader + int64(n-1)*(frameHeader+l.pageSize) }

// read reads frames up to the last one that is committed, at most up to a number of them, and checks each against the sum
// of all before it. It calls back for each page of what is committed.
func (l *log) read(f *os.File, upTo uint32, committed func(page, frame uint32)) error {
	b := make([]byte, frameHeader+l.pageSize)
	in := bufio.NewReaderSize(io.NewSectionReader(f, l.frame(l.frames+1), math.MaxInt64/2), readAtOnce)
	type written struct{ page, frame uint32 }
	var since []written // the last commit
	sum := l.sum
	for n := l.frames + 1; n <= upTo && n != 0; n++ {
		if _, err := io.ReadFull(in, b); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		} else if err != nil {
			return err
		}
		page, pages := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
		if page == 0 || [8]byte(b[8:16]) != l.salt {
			return nil
		}
		sum.add(l.order, b[:8])
		sum.add(l.order, b[frameHeader:])
		if sum != (checksum{binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])}) {
			return nil
		}
		since = append(since, written{page, n})
		if pages == 0 {
			continue
		}
		for _, w := range since {
			l.at[w.page] = w.frame
			committed(w.page, w.frame)
		}
		since = since[:0]
		l.frames, l.sum, l.pages = n, sum, pages
	}
	return nil
}

// hasLast reports whether the last frame that was read is still there.
func (l *log) hasLast(f *os.File) bool {
	var b [frameHeader]byte
	if _, err := f.ReadAt(b[:], l.frame(l.frames)); err != nil {
		return false
	}
	return [8]byte(b[8:16]) == l.salt && l.sum == checksum{binary.BigEndian.Uint32(b[16:]), binary.BigEndian.Uint32(b[20:])}
}

// isThere reports whether the log that was read has not begun anew: that writes its beginning first.
func (l *log) isThere(f *os.File) bool {
	now, err := openLog(f)
	return err == nil && now.salt == l.salt && l.hasLast(f)
}

// goesOn reports whether what is read now is the log that was read before, and at most so many frames of it: not one of another moment that was
// put in its place.
func (l *log) goesOn(now *log, f *os.File, upTo uint32) bool {
	return l.salt == now.salt && l.pageSize == now.pageSize && (l.frames == 0 || l.ino == now.ino && l.frames <= upTo && l.hasLast(f))
}

// is reports whether it was read as far as an index says.
func (l *log) is(x index) bool { return l.frames == x.frames && l.sum == x.sum }

// nextSalt returns the salt of a log that begins right after another one, of which the second half is drawn at random.
func nextSalt(was, now [8]byte) [8]byte {
	binary.BigEndian.PutUint32(now[:], binary.BigEndian.Uint32(was[:])+1)
	return now
}
