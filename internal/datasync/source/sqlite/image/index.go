package image

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// index is what the -shm of a log says of it: how many frames of which log are committed, and who reads which. It is in the byte order
// of the machine, and read by calls, not by a mapping: a program that cuts the file off kills nobody here.
type index struct {
	pageSize int64
	frames   uint32   // committed ones
	pages    uint32   // of the database with these
	sum      checksum // of the last frame
	salt     [8]byte
	bigSums  bool

	backfilled uint32              // frames that are in the database already
	marks      [readerSlots]uint32 // how many frames those use who have a read lock
}

const (
	indexCopy   = 48 // bytes
	indexSize   = 2*indexCopy + 4 + 4*readerSlots
	indexFormat = 3007000
	noMark      = 0xffffffff
)

// errUnsettled says that the index is being written: look again.
var errUnsettled = errors.New("the index of the log is being written")

// readIndex reads the index, or fails with errUnsettled.
func readIndex(f *os.File) (index, error) {
	var b [indexSize]byte
	if _, err := f.ReadAt(b[:], 0); errors.Is(err, io.EOF) {
		return index{}, errUnsettled
	} else if err != nil {
		return index{}, err
	}
	one, two, native := b[:indexCopy], b[indexCopy:2*indexCopy], binary.NativeEndian
	var sum checksum
	sum.add(native, one[:40])
	x := index{
		pageSize: pageSize(uint32(native.Uint16(one[14:]))), frames: native.Uint32(one[16:]), pages: native.Uint32(one[20:]),
		sum: checksum{native.Uint32(one[24:]), native.Uint32(one[28:])}, salt: [8]byte(one[32:40]), bigSums: one[13] != 0,
		backfilled: native.Uint32(b[2*indexCopy:]),
	}
	for i := range x.marks {
		x.marks[i] = native.Uint32(b[2*indexCopy+4+4*i:])
	}
	isWhole := string(one) == string(two) && one[12] == 1 && native.Uint32(one) == indexFormat &&
		sum == checksum{native.Uint32(one[40:]), native.Uint32(one[44:])}
	if !isWhole || (x.pageSize == 0 && x.frames > 0) { // before the first write of a program, nothing is in it
		return index{}, errUnsettled
	}
	return x, nil
}

// slot returns the read lock with the newest mark; 0 if there is nothing in the log, or no mark: while that lock is held, nobody puts pages into the
// file, and the log may begin anew.
func (x index) slot() (slot int) {
	if x.frames == 0 {
		return 0
	}
	for n := 1; n < readerSlots; n++ {
		if mark := x.marks[n]; mark <= x.frames && (slot == 0 || mark > x.marks[slot]) {
			slot = n
		}
	}
	return slot
}
