package datasync

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// Prefix is where Handler answers, and what Pull adds to its base.
const Prefix = "/data/"

// manifestRequest asks for the state of the primary's data.
type manifestRequest struct {
	Epoch    pair.Epoch      `json:"epoch"`    // of the primary, as the backup heard
	Final    bool            `json:"final"`    // services are stopped: nothing may change meanwhile
	Snapshot pair.Snapshot   `json:"snapshot"` // newest on the backup
	Base     manifest.Digest `json:"base"`     // of that snapshot's manifest
	Inline   manifest.Digest `json:"site"`     // hash of what the backup has of what travels inline
	Pack     bool            `json:"pack"`     // compress: the link is slower than compression
	Scheme   manifest.Scheme `json:"scheme"`   // newest by which the backup can hash content
}

// header precedes a manifest.
type header struct {
	Session uint64          `json:"session"`
	Epoch   pair.Epoch      `json:"epoch"`
	Number  uint64          `json:"number"`   // of this snapshot
	TakenAt int64           `json:"taken_at"` // Unix ms: when the scan began
	Base    manifest.Digest `json:"base"`     // the frames that follow are a difference from it; zero: whole
	Digest  manifest.Digest `json:"digest"`   // of the manifest
	Inline  manifest.Digest `json:"site"`     // hash of what travels inline
	Data    []dataHead      `json:"data"`
	Scheme  manifest.Scheme `json:"scheme"`          // by which content is hashed
	Disks   []string        `json:"disks,omitempty"` // by data: which disk it lies on; empty: not known
}

// dataHead is one piece of protected data in a header.
type dataHead struct {
	Name string        `json:"name"`
	Kind pair.DataKind `json:"kind"`
	Spec string        `json:"path"` // in one line
}

func headOf(data pair.Data) dataHead {
	return dataHead{Name: data.Name, Kind: data.Spec.Kind(), Spec: data.Spec.String()}
}

// report tells the primary that a snapshot is complete.
type report struct {
	Session  uint64          `json:"session"`
	Snapshot pair.Snapshot   `json:"snapshot"`
	Manifest manifest.Digest `json:"manifest"`
}

// want names a file of a session's manifest by its place.
type want struct {
	set, ordinal int
	offset       int64 // bytes that the backup has already
}

type frameKind byte

const (
	frameAlive   frameKind = iota + 1 // nothing yet, but at work
	frameHeader                       // JSON header
	frameEntries                      // set number, then entries in order
	frameRemoved                      // set number, then paths in order
	frameInline                       // part of what travels inline
	frameEnd                          // all is said
	frameData                         // content of the current file
	frameHole                         // uvarint bytes of nothing
	frameRestart                      // the current file changed: throw away what came of it
	frameDone                         // the current file is complete; its entry, if it is not as the manifest says
	frameGone                         // the current file is gone
	frameFailed                       // JSON refusal
)

const (
	framePacked = 0x80    // flag: the payload is zstd
	maxFrame    = 1 << 20 // bytes of a payload, unpacked
	chunk       = 256 << 10
)

// frameWriter writes frames: one byte kind, four bytes length, payload.
type frameWriter struct {
	w    *bufio.Writer
	pack *packer // nil: never
}

func newFrameWriter(w io.Writer, pack *packer) *frameWriter {
	return &frameWriter{w: bufio.NewWriterSize(w, chunk), pack: pack}
}

func (f *frameWriter) frame(kind frameKind, payload []byte) error {
	flag := byte(0)
	if smaller, ok := f.pack.pack(payload); ok {
		payload, flag = smaller, framePacked
	}
	var head [5]byte
	head[0] = byte(kind) | flag
	binary.BigEndian.PutUint32(head[1:], uint32(len(payload))) //nolint:gosec // at most maxFrame
	if _, err := f.w.Write(head[:]); err != nil {
		return err
	}
	_, err := f.w.Write(payload)
	return err
}

func (f *frameWriter) json(kind frameKind, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return f.frame(kind, b)
}

func (f *frameWriter) flush() error { return f.w.Flush() }

// packer compresses payloads as long as that pays.
type packer struct {
	encoder *zstd.Encoder
	skip    int // payloads to leave alone after one that did not shrink
}

const (
	packAtLeast = 512  // bytes; smaller payloads are left alone
	packSkip    = 32   // payloads
	packBelow   = 40e6 // bytes per second; zstd's fastest level makes 0.1 GB/s of text on one core
)

func newPacker() (*packer, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("start compression: %w", err)
	}
	return &packer{encoder: encoder}, nil
}

func (p *packer) pack(b []byte) ([]byte, bool) {
	if p == nil || len(b) < packAtLeast {
		return nil, false
	}
	if p.skip > 0 {
		p.skip--
		return nil, false
	}
	packed := p.encoder.EncodeAll(b, nil)
	if len(packed) > len(b)*9/10 {
		p.skip = packSkip
		return nil, false
	}
	return packed, true
}

// frameReader reads frames of a peer that is not trusted.
type frameReader struct {
	r       *bufio.Reader
	unpack  *zstd.Decoder
	payload []byte
	plain   []byte
	came    int64 // bytes that came over the wire
}

func newFrameReader(r io.Reader) (*frameReader, error) {
	unpack, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxFrame), zstd.WithDecoderMaxWindow(maxFrame))
	if err != nil {
		return nil, fmt.Errorf("start decompression: %w", err)
	}
	return &frameReader{r: bufio.NewReaderSize(r, chunk), unpack: unpack}, nil
}

func (f *frameReader) close() { f.unpack.Close() }

// next returns the next frame but alive ones; the payload is valid until the
// next call. A failed frame is returned as an error.
func (f *frameReader) next() (frameKind, []byte, error) {
	for {
		kind, payload, err := f.read()
		switch {
		case err != nil:
			return 0, nil, err
		case kind == frameAlive:
		case kind == frameFailed:
			var r refusal
			if json.Unmarshal(payload, &r) != nil {
				return 0, nil, unsafeStream("a refusal that cannot be read")
			}
			return 0, nil, r.asError()
		default:
			return kind, payload, nil
		}
	}
}

func (f *frameReader) read() (frameKind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return 0, nil, cutOff(err)
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, unsafeStream(fmt.Sprintf("a frame of %d bytes", n))
	}
	if uint32(cap(f.payload)) < n { //nolint:gosec // at most maxFrame
		f.payload = make([]byte, max(n, 4096))
	}
	payload := f.payload[:n]
	if _, err := io.ReadFull(f.r, payload); err != nil {
		return 0, nil, cutOff(err)
	}
	f.came += int64(len(head)) + int64(n)
	if head[0]&framePacked == 0 {
		return frameKind(head[0]), payload, nil
	}
	plain, err := f.unpack.DecodeAll(payload, f.plain[:0])
	if err != nil || len(plain) > maxFrame {
		return 0, nil, unsafeStream("a frame that does not unpack")
	}
	f.plain = plain
	return frameKind(head[0] &^ framePacked), plain, nil
}

func unsafeStream(what string) error {
	return source.Sentence(source.ErrUnsafe, "The peer sent %s: nothing was applied; check that both appliances run the same version.", what)
}

// cutOff says that a stream ended before its end frame.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("data stream ended too early: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("read data stream: %w", err)
}

// appendWants writes the body of a content request; readWants reads it.
func appendWants(session uint64, pack byte, wants []want) []byte {
	b := binary.AppendUvarint(nil, session)
	b = append(b, pack)
	b = binary.AppendUvarint(b, uint64(len(wants)))
	for _, w := range wants {
		b = binary.AppendUvarint(b, uint64(w.set))     //nolint:gosec // never negative
		b = binary.AppendUvarint(b, uint64(w.ordinal)) //nolint:gosec // never negative
		b = binary.AppendUvarint(b, uint64(w.offset))  //nolint:gosec // never negative
	}
	return b
}

// readWants reads a content request that may ask for what m has, no more.
func readWants(r *bufio.Reader, check func(session uint64) (manifest.Manifest, error)) (wants []want, pack byte, err error) {
	session, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, 0, cutOff(err)
	}
	m, err := check(session)
	if err != nil {
		return nil, 0, err
	}
	pack, _ = r.ReadByte()
	var all uint64 // no file is asked for twice
	for _, set := range m.Sets {
		all += uint64(len(set.Entries))
	}
	n, err := binary.ReadUvarint(r)
	if err != nil || n > all {
		return nil, 0, unsafeStream("a request that cannot be read")
	}
	for range n {
		w, err := readWant(r, m)
		if err != nil {
			return nil, 0, err
		}
		wants = append(wants, w)
	}
	return wants, pack, nil
}

func readWant(r *bufio.Reader, m manifest.Manifest) (want, error) {
	set, err1 := binary.ReadUvarint(r)
	ordinal, err2 := binary.ReadUvarint(r)
	offset, err3 := binary.ReadUvarint(r)
	if err := errors.Join(err1, err2, err3); err != nil {
		return want{}, cutOff(err)
	}
	if set >= uint64(len(m.Sets)) || ordinal >= uint64(len(m.Sets[set].Entries)) {
		return want{}, unsafeStream("a request for a file that is not in the manifest")
	}
	e := m.Sets[set].Entries[ordinal]
	if e.Kind != manifest.File {
		return want{}, unsafeStream("a request for the content of something that is no file")
	}
	if offset > uint64(e.Size) { //nolint:gosec // never negative
		offset = 0
	}
	return want{set: int(set), ordinal: int(ordinal), offset: int64(offset)}, nil //nolint:gosec // checked above
}
