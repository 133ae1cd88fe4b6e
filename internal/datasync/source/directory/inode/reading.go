package inode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/blocks"
	"baton/internal/datasync/source/directory/xattr"
)

const readSize = 256 << 10

// Hashed is a Sink that hashes alone.
type Hashed struct {
	source.Whole

	To *manifest.ContentHash
}

// Data implements source.Sink.
func (h Hashed) Data(b []byte) error {
	_, err := h.To.Write(b)
	return err
}

// Hole implements source.Sink.
func (h Hashed) Hole(bytes int64) error {
	h.To.Hole(bytes)
	return nil
}

// listed is a Sink that hashes blocks, and marks some.
type listed struct {
	source.Whole

	list  *manifest.Lister
	marks *blocks.Marker
}

// Data implements source.Sink.
func (l listed) Data(b []byte) error {
	l.marks.Data(b)
	return l.list.Data(b)
}

// Hole implements source.Sink.
func (l listed) Hole(bytes int64) error {
	l.marks.Hole(bytes)
	return l.list.Hole(bytes)
}

// ReadAll hashes a file that nobody else has.
func ReadAll(ctx context.Context, f *os.File, to *manifest.ContentHash) error {
	before, err := Stat(f)
	if err == nil {
		err = Reading{f, before, f.Name()}.Pass(ctx, 0, before.Size, Hashed{To: to})
	}
	return err
}

// Reading is an open file while it is read.
type Reading struct {
	File  *os.File
	Stamp Stamp // before
	Path  string
}

// buffers are those of reads that ended: a new one for each small file would keep the collector busy.
var buffers = sync.Pool{New: func() any { return new([readSize]byte) }} //nolint:gochecknoglobals // nothing is remembered in it

// Pass hands the file's content from offset up to end on to the sink, its holes as
// holes. The error source.ErrChanging means that it was cut off meanwhile: what the sink got is worthless.
func (r Reading) Pass(ctx context.Context, offset, end int64, sink source.Sink) error {
	room := buffers.Get().(*[readSize]byte) //nolint:forcetypeassert // nothing else is put there
	defer buffers.Put(room)
	buffer := room[:]
	for offset < end {
		start, stop := extent(r.File, r.Stamp, offset)
		start, stop = min(start, end), min(stop, end)
		if err := passHole(ctx, start-offset, sink); err != nil {
			return err
		}
		for offset = start; offset < stop; {
			n, err := r.File.ReadAt(buffer[:min(int64(len(buffer)), stop-offset)], offset)
			if n == 0 {
				return errors.Join(changed(r.Path, errors.Is(err, io.EOF)), err)
			}
			if err := pass(ctx, buffer[:n], sink); err != nil {
				return err
			}
			offset += int64(n)
		}
	}
	return nil
}

// Settled returns the file's entry, without hash, if its stamp is still the one before: if it is not,
// what was read is worthless (source.ErrChanging).
func (r Reading) Settled() (manifest.Entry, error) {
	e := r.Stamp.Entry(r.Path)
	xattrs, err := xattr.Read(int(r.File.Fd()))
	if err != nil {
		return e, fmt.Errorf("file %q: %w", r.Path, err)
	}
	after, err := Stat(r.File)
	if err != nil {
		return e, err
	}
	e.XAttrs = xattrs
	return e, changed(r.Path, !after.Unchanged(r.Stamp))
}

// atOnce is from which size on, in bytes, a file is hashed by several goroutines: each takes a stretch of that.
const atOnce = 32 << 20

// Hash hashes the file, and keeps the list of its blocks.
func (r Reading) Hash(ctx context.Context, scheme manifest.Scheme, lists *blocks.Store) (manifest.Hash, error) {
	if scheme != manifest.Lists || r.Stamp.Size < blocks.KeptFrom {
		h := scheme.Hash(r.Stamp.Size)
		defer h.Release()
		err := r.Pass(ctx, 0, r.Stamp.Size, Hashed{To: h})
		return h.Sum(), err
	}
	list, marks, err := r.List(ctx)
	if err != nil {
		return manifest.Hash{}, err
	}
	lists.Put(r.Path, list, marks)
	return list.Hash(), nil
}

// List makes the list of the file's blocks, and their marks.
func (r Reading) List(ctx context.Context) (manifest.List, blocks.Marks, error) {
	size, block := r.Stamp.Size, manifest.BlockSize(r.Stamp.Size)
	list := manifest.List{Size: size, Blocks: make([]manifest.Hash, manifest.BlockCount(size))}
	marks := blocks.NewMarks(size)
	err := r.inStretches(ctx, func(ctx context.Context, s blocks.Stretch) error {
		l := listed{list: manifest.NewLister(block), marks: blocks.MarkerFrom(s.Offset, size, marks)}
		err := r.Pass(ctx, s.Offset, s.End(), l)
		copy(list.Blocks[s.Offset/block:], l.list.Blocks())
		return err
	})
	return list, marks, err
}

// Sums makes the sums of the file's whole blocks, of which it has the list.
func (r Reading) Sums(ctx context.Context, list manifest.List) ([]byte, error) {
	block := manifest.BlockSize(r.Stamp.Size)
	sums := make([]byte, blocks.MaxSums(r.Stamp.Size))
	err := r.inStretches(ctx, func(ctx context.Context, s blocks.Stretch) error {
		var buffer []byte // only if there is anything but zeros
		for at := s.Offset; at+block <= s.End(); at += block {
			hash := list.Blocks[at/block]
			if hash == (manifest.Hash{}) {
				continue
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if buffer == nil {
				buffer = make([]byte, block)
			}
			if _, err := r.File.ReadAt(buffer, at); err != nil {
				return err
			}
			one := at / block * int64(blocks.SumBytes)
			blocks.AppendSum(sums[one:one], buffer, hash)
		}
		return nil
	})
	return sums, err
}

// inStretches does something with stretches of the file, several at once. They begin where blocks do.
func (r Reading) inStretches(ctx context.Context, do func(context.Context, blocks.Stretch) error) error {
	size, block := r.Stamp.Size, manifest.BlockSize(r.Stamp.Size)
	const most = 1 << 12 // a file may be one large hole
	stretch := max(max(atOnce, size/most)/block*block, block)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for from := int64(0); from < size; from += stretch {
		group.Go(func() error { return do(ctx, blocks.Stretch{Offset: from, Bytes: min(stretch, size-from)}) })
	}
	return group.Wait()
}

func passHole(ctx context.Context, bytes int64, sink source.Sink) error {
	for bytes > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(bytes, source.MaxHole)
		if err := sink.Hole(n); err != nil {
			return err
		}
		bytes -= n
	}
	return nil
}

func pass(ctx context.Context, b []byte, sink source.Sink) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return sink.Data(b)
}

// extent returns the next stretch of data at or after offset, within the file.
func extent(f *os.File, s Stamp, offset int64) (start, end int64) {
	if s.Alloc >= s.Size {
		return offset, s.Size
	}
	start, err := unix.Seek(int(f.Fd()), offset, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) { // nothing but a hole
		return s.Size, s.Size
	}
	if err != nil {
		return offset, s.Size
	}
	end, err = unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE)
	if err != nil {
		end = s.Size
	}
	return min(start, s.Size), min(end, s.Size)
}

func changed(path string, is bool) error { //nolint:revive // a condition, not a mode
	if is {
		return fmt.Errorf("%w: %q was written to while it was read", source.ErrChanging, path)
	}
	return nil
}
