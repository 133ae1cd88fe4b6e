package inode

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/blocks"
)

// writing is a Sink that writes in the place of what is there.
type writing struct {
	source.Whole

	to    *os.File
	at    int64
	begun Begun
}

func (w *writing) Data(b []byte) error {
	n, err := w.to.WriteAt(b, w.at)
	w.at += int64(n)
	w.begun.Writing(w.to, w.at)
	return err
}

// Begun is how far the disk has begun to write a file that comes in order, in bytes.
type Begun int64

// Writing has the disk begin to write what came before an offset, once that is much: else it does nothing until all has
// come, and all waits for it then. What fails here fails again when the file is made durable.
func (b *Begun) Writing(f *os.File, to int64) {
	const much = 8 << 20
	if from := int64(*b); to-from >= much {
		_ = unix.SyncFileRange(int(f.Fd()), from, to-from, unix.SYNC_FILE_RANGE_WRITE)
		*b = Begun(to)
	}
}

func (w *writing) Hole(bytes int64) error {
	err := Wipe(w.to, w.at, bytes)
	w.at += bytes
	return err
}

// Wipe makes a stretch of a file zeros, as far as the file reaches.
func Wipe(f *os.File, offset, bytes int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, bytes)
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	zeros := make([]byte, min(bytes, readSize))
	for ; bytes > 0; bytes -= int64(len(zeros)) {
		zeros = zeros[:min(bytes, int64(len(zeros)))]
		if _, err := f.WriteAt(zeros, offset); err != nil {
			return err
		}
		offset += int64(len(zeros))
	}
	return nil
}

// CopyStretches copies stretches of one file to the same place in another.
func CopyStretches(ctx context.Context, to *os.File, from Reading, stretches []blocks.Stretch) error {
	for _, s := range stretches {
		if err := from.Pass(ctx, s.Offset, s.End(), &writing{to: to, at: s.Offset, begun: Begun(s.Offset)}); err != nil {
			return err
		}
	}
	return nil
}
