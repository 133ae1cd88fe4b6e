package image

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// stamp is by what a change of a file is noticed.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime int64 // Unix nanoseconds
	mode         uint32
}

func stampOf(f *os.File) (stamp, error) {
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return stamp{}, fmt.Errorf("look at %s: %w", f.Name(), err)
	}
	return stampFrom(&s), nil
}

func stampFrom(s *unix.Stat_t) stamp {
	return stamp{dev: s.Dev, ino: s.Ino, size: s.Size, mtime: s.Mtim.Nano(), ctime: s.Ctim.Nano(), mode: s.Mode}
}

// tick is how long a file may be written to again without another time.
const tick = 20 * time.Millisecond

// settled fails with errUnsettled if the file was written to so lately that a further write might not be noticed.
func (s stamp) settled() error {
	if time.Since(time.Unix(0, s.ctime)).Abs() < tick { // a time that is yet to come is one before the clock was set back
		return errUnsettled
	}
	return nil
}
