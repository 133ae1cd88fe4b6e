package wire

import (
	"encoding/binary"
	"errors"
	"slices"
	"sync"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
)

// Outlet is where a file's content goes: the stream, or a Recording of it.
type Outlet interface {
	source.Sink
	// Restart throws away what was sent of the file.
	Restart() error
	// Done ends the file; the entry is empty unless the file is newer than the manifest.
	Done(entry []byte) error
}

// ContentWriter writes content to the stream.
type ContentWriter struct{ Out *Writer }

// Data implements source.Sink.
func (f ContentWriter) Data(b []byte) error { return f.Out.Frame(Data, b) }

// Hole implements source.Sink.
func (f ContentWriter) Hole(bytes int64) error {
	return f.Out.Frame(Hole, binary.AppendUvarint(nil, uint64(bytes))) //nolint:gosec // never negative
}

// atOnce is how many bytes that the backup has are worth a packet: it takes a while to copy them.
const atOnce = 1 << 20

// Same implements source.Sink.
func (f ContentWriter) Same(from, bytes int64) error {
	err := f.Out.Frame(Same, AppendStretch(nil, from, bytes))
	if err != nil || bytes < atOnce {
		return err
	}
	return f.Out.Flush()
}

// AppendStretch appends the payload of a Same frame.
func AppendStretch(b []byte, from, bytes int64) []byte {
	b = binary.AppendUvarint(b, uint64(from))     //nolint:gosec // never negative
	return binary.AppendUvarint(b, uint64(bytes)) //nolint:gosec // the same
}

// ReadStretch reads the payload of a Same frame, which lies within content of a size.
func ReadStretch(payload []byte, size int64) (from, bytes int64, err error) {
	d := manifest.NewDecoder(payload)
	start, n := d.Uvarint(), d.Uvarint()
	if limit := uint64(size); d.Failed() || len(d.Rest()) > 0 || n == 0 || n > limit || start > limit-n { //nolint:gosec // never negative
		return 0, 0, Unsafe("a part of what is here that cannot be")
	}
	return int64(start), int64(n), nil //nolint:gosec // checked above
}

// Restart implements Outlet.
func (f ContentWriter) Restart() error { return f.Out.Frame(Restart, nil) }

// Done implements Outlet.
func (f ContentWriter) Done(entry []byte) error { return f.Out.Frame(Done, entry) }

// Recording keeps a small file's content until its turn comes. Release gives back the memory that it takes.
type Recording struct {
	Most  int64  // bytes that it takes; 0: any number
	Rooms *Rooms // where the memory comes from

	data   []byte // of all pieces, one after another
	pieces []piece
	end    []byte
	length int64
}

// piece is one call of a sink: Data, Hole or Same.
type piece struct {
	kind        Kind
	from, bytes int64
}

// Rooms is memory for the data of the Recordings of one stream: a new piece for each file would keep the collector busy. The zero
// value has none yet.
type Rooms struct{ free sync.Pool }

func (r *Rooms) take() []byte {
	if room, is := r.free.Get().(*[SmallFile]byte); is {
		return room[:0]
	}
	return make([]byte, 0, SmallFile)
}

// ErrGrown means that a file is larger than what is kept in memory.
var ErrGrown = errors.New("file has grown")

func (r *Recording) add(p piece) error {
	if r.length += p.bytes; r.Most > 0 && r.length > r.Most {
		return ErrGrown
	}
	r.pieces = append(r.pieces, p)
	return nil
}

// Data implements source.Sink.
func (r *Recording) Data(b []byte) error {
	if err := r.add(piece{kind: Data, bytes: int64(len(b))}); err != nil {
		return err
	}
	if r.data == nil {
		r.data = r.Rooms.take()
	}
	r.data = append(r.data, b...)
	return nil
}

// Hole implements source.Sink.
func (r *Recording) Hole(bytes int64) error { return r.add(piece{kind: Hole, bytes: bytes}) }

// Same implements source.Sink.
func (r *Recording) Same(from, bytes int64) error {
	return r.add(piece{kind: Same, from: from, bytes: bytes})
}

// Restart implements Outlet.
func (r *Recording) Restart() error {
	r.data, r.pieces, r.length = r.data[:0], r.pieces[:0], 0
	return nil
}

// Done implements Outlet.
func (r *Recording) Done(entry []byte) error {
	r.end = entry
	return nil
}

// Play hands on the file, with its end.
func (r *Recording) Play(to Outlet) error {
	if err := r.Replay(to); err != nil {
		return err
	}
	return to.Done(r.end)
}

// Replay hands on the content alone.
func (r *Recording) Replay(to source.Sink) error {
	data := r.data
	for _, p := range r.pieces {
		var err error
		switch p.kind { //nolint:exhaustive // a piece is one of these
		case Data:
			err, data = to.Data(data[:p.bytes]), data[p.bytes:]
		case Hole:
			err = to.Hole(p.bytes)
		case Same:
			err = to.Same(p.from, p.bytes)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Release forgets the content.
func (r *Recording) Release() {
	if cap(r.data) == SmallFile {
		r.Rooms.free.Put((*[SmallFile]byte)(r.data[:SmallFile]))
	}
	r.data, r.pieces = nil, nil
}

// InlineWriter sends what travels with the manifest.
type InlineWriter struct {
	source.Whole

	Out *Writer
}

// Data implements source.Sink.
func (o InlineWriter) Data(b []byte) error {
	for part := range slices.Chunk(b, Chunk) {
		if err := o.Out.Frame(Inline, part); err != nil {
			return err
		}
	}
	return nil
}

// Hole implements source.Sink.
func (o InlineWriter) Hole(bytes int64) error { return o.Data(make([]byte, bytes)) }
