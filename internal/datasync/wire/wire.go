// Package wire is what the two sides of a data sync send each other: requests, the frames
// of an answer, and the manifest in them. What it reads comes from a peer that is not
// trusted.
//
// Start reading at Question, then Writer and ManifestReader.
package wire

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/zstd"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// Prefix is where Handler answers, and what Pull adds to its base.
const Prefix = "/data/"

// MaxRequest bounds a JSON request, in bytes.
const MaxRequest = 64 << 10

// SmallFile is the size in bytes up to which a file is held in memory on its way.
const SmallFile = 128 << 10

// Question asks for the state of the primary's data.
type Question struct {
	Epoch    pair.Epoch      `json:"epoch"`    // of the primary, as the backup heard
	Final    bool            `json:"final"`    // services are stopped: nothing may change meanwhile
	Snapshot pair.Snapshot   `json:"snapshot"` // newest on the backup
	Base     manifest.Digest `json:"base"`     // of that snapshot's manifest
	Inline   manifest.Digest `json:"site"`     // hash of what the backup has of what travels inline
	Pack     bool            `json:"pack"`     // compress: the link is slower than compression
	Scheme   manifest.Scheme `json:"scheme"`   // newest by which the backup can hash content
	Version  int             `json:"version"`  // of the protocol
}

// Version is that of the protocol. One that names none lists manifests by bytes, says nothing of what
// was renamed, and asks for files by their places in the list. Version 2 knows no options of protected data.
const Version = 3

const listsByBranch = 2 // from this version on

// KnowsOptions reports whether a version of the protocol knows that something is excluded, or lies elsewhere on one
// appliance.
func KnowsOptions(version int) bool { return version >= 3 }

// KnowsSkew reports whether a version of the protocol knows how far apart the data of a snapshot was looked at.
func KnowsSkew(version int) bool { return version >= 3 }

// Order returns the order in which a version of the protocol lists manifests.
func Order(version int) manifest.Order {
	if version < listsByBranch {
		return manifest.ByBytes
	}
	return manifest.ByBranch
}

// Header precedes a manifest.
type Header struct {
	Session uint64          `json:"session"`
	Epoch   pair.Epoch      `json:"epoch"`
	Number  uint64          `json:"number"`   // of this snapshot
	TakenAt int64           `json:"taken_at"` // Unix ms: when the scan began
	Base    manifest.Digest `json:"base"`     // the frames that follow are a difference from it; zero: whole
	Digest  manifest.Digest `json:"digest"`   // of the manifest
	Inline  manifest.Digest `json:"site"`     // hash of what travels inline
	Data    []DataHead      `json:"data"`
	Scheme  manifest.Scheme `json:"scheme"`            // by which content is hashed
	Disks   []string        `json:"disks,omitempty"`   // by data: which disk it lies on; empty: not known
	Version int             `json:"version,omitempty"` // of the protocol
	Skew    int64           `json:"skew_ms,omitempty"` // how far apart the moments are as of which the data was looked at
}

// DataHead is one piece of protected data in a header.
type DataHead struct {
	Name string        `json:"name"`
	Kind pair.DataKind `json:"kind"`
	Spec string        `json:"path"` // in one line
}

// HeadOf returns what a header says of a piece of data.
func HeadOf(data pair.Data) DataHead {
	return DataHead{Name: data.Name, Kind: data.Spec.Kind(), Spec: data.Spec.Text()}
}

// Watch asks to be told once something is other than a snapshot that both sides have.
type Watch struct {
	Epoch    pair.Epoch    `json:"epoch"`    // of the primary, as the backup heard
	Snapshot pair.Snapshot `json:"snapshot"` // newest on the backup
	WaitMS   int64         `json:"wait_ms"`  // how long the answer may take if nothing is
}

// Watched answers a Watch.
type Watched struct {
	Same    bool  `json:"same"`     // nothing was other at TakenAt; else something may be
	TakenAt int64 `json:"taken_at"` // Unix ms
	Follows bool  `json:"follows"`  // whether it can be told at all
}

// Report tells the primary that a snapshot is complete.
type Report struct {
	Session  uint64          `json:"session"`
	Snapshot pair.Snapshot   `json:"snapshot"`
	Manifest manifest.Digest `json:"manifest"`
}

// Want names a file of a session's manifest.
type Want struct {
	source.Have

	Set  int
	Path string
}

// Kind is the kind of a frame.
type Kind byte

// The kinds of frames.
const (
	Alive   Kind = iota + 1 // nothing yet, but at work
	Head                    // JSON Header
	Entries                 // set number, then changes in order
	Removed                 // set number, then paths in order
	Inline                  // part of what travels inline
	End                     // all is said
	Data                    // content of the current file
	Hole                    // uvarint bytes of nothing
	Restart                 // the current file changed: throw away what came of it
	Done                    // the current file is complete; its entry, if it is not as the manifest says
	Gone                    // the current file is gone
	Failed                  // JSON refusal
	Same                    // uvarint offset, uvarint bytes: a part of what the backup has of the current file
	Sums                    // the current file is to be asked for again, with the sums of what the backup has of it
)

// Chunk is how many bytes are sent at once.
const Chunk = 256 << 10

const (
	// Packed is the flag of a kind whose payload is zstd.
	Packed = 0x80
	// MaxFrame bounds a payload, unpacked, in bytes.
	MaxFrame = 1 << 20
)

// Writer writes frames: one byte kind, four bytes length, payload.
type Writer struct {
	w    *bufio.Writer
	pack *Packer // nil: never
}

// NewWriter returns a writer of frames that gathers up to size bytes; the packer may be nil.
func NewWriter(w io.Writer, size int, pack *Packer) *Writer {
	return &Writer{w: bufio.NewWriterSize(w, size), pack: pack}
}

// Frame writes one frame.
func (f *Writer) Frame(kind Kind, payload []byte) error {
	flag := byte(0)
	if smaller, ok := f.pack.pack(payload); ok {
		payload, flag = smaller, Packed
	}
	var head [5]byte
	head[0] = byte(kind) | flag
	binary.BigEndian.PutUint32(head[1:], uint32(len(payload))) //nolint:gosec // at most MaxFrame
	if _, err := f.w.Write(head[:]); err != nil {
		return err
	}
	_, err := f.w.Write(payload)
	return err
}

// JSON writes a frame whose payload is JSON.
func (f *Writer) JSON(kind Kind, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return f.Frame(kind, b)
}

// Flush sends what is buffered.
func (f *Writer) Flush() error { return f.w.Flush() }

// Packer compresses payloads as long as that pays.
type Packer struct {
	encoder *zstd.Encoder
	skip    int // payloads to leave alone after one that did not shrink
}

const (
	packAtLeast = 512 // bytes; smaller payloads are left alone
	packSkip    = 32  // payloads
)

// NewPacker returns a packer for one stream.
func NewPacker() (*Packer, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("start compression: %w", err)
	}
	return &Packer{encoder: encoder}, nil
}

func (p *Packer) pack(b []byte) ([]byte, bool) {
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

// Reader reads frames of a peer that is not trusted.
type Reader struct {
	r       *bufio.Reader
	unpack  *zstd.Decoder
	payload []byte
	plain   []byte
	came    int64 // bytes that came over the wire
	failed  func(payload []byte) error
}

// NewReader returns a reader of frames that reads so many bytes ahead. Failed returns the error that a Failed frame says.
func NewReader(r io.Reader, ahead int, failed func(payload []byte) error) (*Reader, error) {
	unpack, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxFrame), zstd.WithDecoderMaxWindow(MaxFrame))
	if err != nil {
		return nil, fmt.Errorf("start decompression: %w", err)
	}
	return &Reader{r: bufio.NewReaderSize(r, ahead), unpack: unpack, failed: failed}, nil
}

// Close releases the reader.
func (f *Reader) Close() { f.unpack.Close() }

// Next returns the next frame but alive ones; the payload is valid until the
// next call. A failed frame is returned as an error.
func (f *Reader) Next() (Kind, []byte, error) {
	for {
		kind, payload, err := f.read()
		switch {
		case err != nil:
			return 0, nil, err
		case kind == Alive:
		case kind == Failed:
			return 0, nil, f.failed(payload)
		default:
			return kind, payload, nil
		}
	}
}

func (f *Reader) read() (Kind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return 0, nil, cutOff(err)
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > MaxFrame {
		return 0, nil, Unsafe(fmt.Sprintf("a frame of %d bytes", n))
	}
	if uint32(cap(f.payload)) < n { //nolint:gosec // at most MaxFrame
		f.payload = make([]byte, max(n, 4096))
	}
	payload := f.payload[:n]
	if _, err := io.ReadFull(f.r, payload); err != nil {
		return 0, nil, cutOff(err)
	}
	f.came += int64(len(head)) + int64(n)
	if head[0]&Packed == 0 {
		return Kind(head[0]), payload, nil
	}
	plain, err := f.unpack.DecodeAll(payload, f.plain[:0])
	if err != nil || len(plain) > MaxFrame {
		return 0, nil, Unsafe("a frame that does not unpack")
	}
	f.plain = plain
	return Kind(head[0] &^ Packed), plain, nil
}

// Unsafe returns the error of a stream that no peer of the same version sends.
func Unsafe(what string) error {
	return source.Sentence(source.ErrUnsafe, "The peer sent %s: nothing was applied; check that both appliances run the same version.", what)
}

// cutOff says that a stream ended before its end frame.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("data stream ended too early: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("read data stream: %w", err)
}

// AppendWants writes the body of a request for content of a manifest; ReadWants reads it.
func AppendWants(session uint64, pack byte, wants []Want, of manifest.Manifest) []byte {
	b := binary.AppendUvarint(nil, session)
	b = append(b, pack)
	b = binary.AppendUvarint(b, uint64(len(wants)))
	places := placesOf(of)
	for _, w := range wants {
		b = binary.AppendUvarint(b, uint64(w.Set)) //nolint:gosec // never negative
		if places == nil {
			b = manifest.AppendString(b, w.Path)
		} else {
			at, _ := slices.BinarySearchFunc(places[w.Set], w.Path, manifest.CompareBytes)
			b = binary.AppendUvarint(b, uint64(at)) //nolint:gosec // never negative
		}
		b = binary.AppendUvarint(b, uint64(w.Offset)) //nolint:gosec // never negative
		if places == nil {
			b = appendOld(b, w.Have)
		}
	}
	return b
}

// appendOld appends what a request says of the old content of a file.
func appendOld(b []byte, have source.Have) []byte {
	b = binary.AppendUvarint(b, uint64(have.Size)) //nolint:gosec // never negative
	if !have.HasOld() {
		return b
	}
	b = binary.AppendUvarint(append(b, have.Old[:]...), uint64(len(have.Sums)))
	return append(b, have.Sums...)
}

// placesOf returns the paths of each set of a manifest that the previous version asks for by their places.
func placesOf(m manifest.Manifest) [][]string {
	if m.Order == manifest.ByBranch {
		return nil
	}
	places := [][]string{}
	for _, s := range m.Sets {
		places = append(places, manifest.Places(s.Listing))
	}
	return places
}

// ReadWants reads a content request that may ask for what m has, no more.
func ReadWants(r *bufio.Reader, check func(session uint64) (manifest.Manifest, error)) (wants []Want, pack byte, err error) {
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
		all += uint64(set.Sum().Files) //nolint:gosec // never negative
	}
	n, err := binary.ReadUvarint(r)
	if err != nil || n > all {
		return nil, 0, Unsafe("a request that cannot be read")
	}
	sums := int64(source.MaxSums)
	read := wantReader{r, m, placesOf(m), &sums}
	for range n {
		w, err := read.one()
		if err != nil {
			return nil, 0, err
		}
		wants = append(wants, w)
	}
	return wants, pack, nil
}

type wantReader struct {
	*bufio.Reader

	of     manifest.Manifest
	places [][]string
	sums   *int64 // bytes that may come still
}

func (r wantReader) one() (Want, error) {
	set, err := binary.ReadUvarint(r)
	if err != nil {
		return Want{}, cutOff(err)
	}
	if set >= uint64(len(r.of.Sets)) {
		return Want{}, notListed()
	}
	path, err := r.path(int(set)) //nolint:gosec // checked above
	if err != nil {
		return Want{}, err
	}
	offset, err := binary.ReadUvarint(r)
	if err != nil {
		return Want{}, cutOff(err)
	}
	e, found := r.of.Sets[set].Find(path)
	switch {
	case !found:
		return Want{}, notListed()
	case e.Kind != manifest.File:
		return Want{}, Unsafe("a request for the content of something that is no file")
	case offset > uint64(e.Size): //nolint:gosec // never negative
		offset = 0
	}
	have := source.Have{Offset: int64(offset)}
	if r.places == nil {
		err = r.old(&have)
	}
	return Want{Set: int(set), Path: e.Path, Have: have}, err //nolint:gosec // checked above
}

// old reads what appendOld wrote.
func (r wantReader) old(have *source.Have) error {
	size, err := binary.ReadUvarint(r)
	if err != nil {
		return cutOff(err)
	}
	if size == 0 {
		return nil
	}
	if size > manifest.MaxSize || have.Offset > 0 {
		return Unsafe("a request that cannot be read")
	}
	have.Size = int64(size)
	if _, err := io.ReadFull(r, have.Old[:]); err != nil {
		return cutOff(err)
	}
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return cutOff(err)
	}
	if n > uint64(*r.sums) { //nolint:gosec // never negative
		return Unsafe("a request that cannot be read")
	}
	*r.sums -= int64(n)                                      //nolint:gosec // checked above
	have.Sums, err = io.ReadAll(io.LimitReader(r, int64(n))) //nolint:gosec // checked above; what does not come takes no memory
	if err == nil && uint64(len(have.Sums)) < n {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (r wantReader) path(set int) (string, error) {
	n, err := binary.ReadUvarint(r)
	switch {
	case err != nil:
		return "", cutOff(err)
	case r.places != nil && n < uint64(len(r.places[set])):
		return r.places[set][n], nil
	case r.places != nil || n > pair.MaxPath:
		return "", notListed()
	}
	path := make([]byte, n)
	if _, err := io.ReadFull(r, path); err != nil {
		return "", cutOff(err)
	}
	return string(path), nil
}

func notListed() error { return Unsafe("a request for a file that is not in the manifest") }
