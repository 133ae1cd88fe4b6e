package datasync

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// reportWithin bounds the one short request at the end.
const reportWithin = 10 * time.Second

// post sends a short JSON request that has no answer but success.
func (p *pull) post(ctx context.Context, path string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, reportWithin)
	defer cancel()
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	answer, err := p.do(ctx, path, body)
	if err != nil {
		return err
	}
	return answer.Close()
}

// do sends a request and returns the body of a successful answer.
func (p *pull) do(ctx context.Context, path string, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask the primary: %w", err)
	}
	answer, err := p.client.Do(req)
	if err != nil {
		if sent, ok := errors.AsType[*url.Error](err); ok {
			err = sent.Err // the address within the link tells a person nothing
		}
		return nil, fmt.Errorf("ask the primary: %w", err)
	}
	if answer.StatusCode/100 == 2 {
		return answer.Body, nil
	}
	defer func() { _ = answer.Body.Close() }()
	var r refusal
	if json.NewDecoder(io.LimitReader(answer.Body, maxRequest)).Decode(&r) != nil || r.Text == "" {
		r.Text = "HTTP " + answer.Status
	}
	return nil, r.asError()
}

// open sends a request whose answer is a stream of frames.
func (p *pull) open(ctx context.Context, path string, body []byte) (*frameReader, func(), error) {
	e := p.engine
	watchdog := time.AfterFunc(e.opt.Idle, func() {
		p.cancel(source.Sentence(ErrStalled, "The primary did not answer within %s: check the connection; the sync is tried again by itself.", e.opt.Idle))
	})
	answer, err := p.do(ctx, path, body)
	watchdog.Stop()
	if err != nil {
		return nil, nil, err
	}
	e.limit.drain()
	in, err := newFrameReader(&limitedReader{
		ctx: ctx, cancel: p.cancel, r: answer, limit: e.limit, idle: e.opt.Idle,
		seen: func(n int) { e.progress.received(e.opt.Now(), n) },
	})
	if err != nil {
		_ = answer.Close()
		return nil, nil, err
	}
	return in, func() {
		in.close()
		_ = answer.Close()
	}, nil
}

// fetchManifest asks for the state of the primary's data, and receives what travels
// inline, unless that is here.
func (p *pull) fetchManifest(ctx context.Context, inline *target) error {
	e, st := p.engine, p.engine.currentState()
	_, of := st.common()
	base, err := e.manifest(of)
	if err != nil { // damaged: ask for the whole
		of, base = reference{}, manifest.Manifest{}
	}
	req := manifestRequest{Epoch: p.req.Epoch, Final: p.req.Final, Snapshot: st.Snapshot, Base: of.listed, Pack: e.limit.slow(), Scheme: manifest.Newest}
	if inline != nil {
		req.Inline = manifest.Digest(inline.have[0].Hash)
	}
	err = p.askManifest(ctx, req, base)
	if errors.Is(err, errSwollen) { // names that are much alike; as they are, they show what they take
		req.Pack = false
		err = p.askManifest(ctx, req, base)
	}
	return err
}

func (p *pull) askManifest(ctx context.Context, req manifestRequest, base manifest.Manifest) error {
	body, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	in, done, err := p.open(ctx, "manifest", body)
	if err != nil {
		return err
	}
	defer done()
	if err := p.readHeader(in, req.Base); err != nil {
		return err
	}
	m := &manifestReader{head: p.head, deltas: make([]manifest.Delta, len(p.head.Data))}
	if err := m.read(in); err != nil {
		return err
	}
	if p.manifest, err = m.manifest(base); err != nil {
		return err
	}
	if err := p.manifest.Validate(p.engine.check); err != nil {
		return unsafeStream("a manifest that is refused (" + err.Error() + ")")
	}
	return p.keepInline(m.inline.Bytes(), req.Inline)
}

// keepInline keeps what travelled inline, if it is not what is here.
func (p *pull) keepInline(b []byte, here manifest.Digest) error {
	p.inline = nil
	if p.engine.opt.Inline.Spec == nil {
		return nil
	}
	p.manifest.Sets = append(p.manifest.Sets, manifest.InlineSet(p.engine.opt.Inline, p.head.Inline))
	if p.head.Inline == here {
		return nil
	}
	if manifest.Digest(blake3.Sum256(b)) != p.head.Inline {
		return unsafeStream("data that does not match its hash")
	}
	p.inline = b
	return nil
}

func (p *pull) readHeader(in *frameReader, base manifest.Digest) error {
	kind, payload, err := in.next()
	if err != nil {
		return err
	}
	p.head = header{}
	if kind != frameHeader || json.Unmarshal(payload, &p.head) != nil {
		return unsafeStream("no header")
	}
	if p.head.Scheme > manifest.Newest {
		return unsafeStream("content that is hashed in a way that was not asked for")
	}
	if len(p.head.Data) > manifest.MaxSets {
		return unsafeStream("more protected data than there can be")
	}
	if p.head.Epoch != p.req.Epoch {
		return source.Sentence(ErrStaleEpoch, "The primary sent data of epoch %s, but was asked for that of epoch %s: the sync is tried again by itself.", p.head.Epoch, p.req.Epoch)
	}
	if p.head.Base != (manifest.Digest{}) && p.head.Base != base {
		return unsafeStream("a difference from a snapshot that is not ours")
	}
	if p.head.Number > maxNumber {
		return unsafeStream("a snapshot number that cannot be")
	}
	if own := p.engine.Snapshot(); own.Epoch == p.head.Epoch && p.head.Number <= own.Number {
		return setBack(own.Number, p.head.Number)
	}
	p.engine.progress.update(func(pr *Progress) { pr.Number = p.head.Number })
	return nil
}

// Bounds of what a manifest stream may make the backup hold.
const (
	maxInline   = 256 << 20 // bytes of what travels inline
	maxManifest = 8 << 30   // bytes of entries, 400 each for the most that are allowed
	maxNumber   = 1 << 53   // of a snapshot: further ones must not wrap around

	heldAnyway  = 128 << 20 // bytes that a manifest may take in memory, however little came over the wire
	heldPerByte = 64        // and by each byte that came, besides: an entry of the fewest bytes takes some 25
	entryTakes  = 400       // bytes of memory, besides what its path and attributes are long
)

// errSwollen means that a stream unpacks to far more than came over the wire.
var errSwollen = errors.New("swollen stream")

// manifestReader collects a manifest stream.
type manifestReader struct {
	head   header
	deltas []manifest.Delta
	inline bytes.Buffer
	bytes  int64
	items  int64 // entries and removed paths
	held   int64 // bytes of memory that it takes, at most
}

func (m *manifestReader) read(in *frameReader) error {
	for {
		kind, payload, err := in.next()
		if err != nil {
			return err
		}
		m.bytes += int64(len(payload))
		m.held += int64(len(payload))
		switch kind {
		case frameEntries, frameRemoved:
			err = m.delta(kind, payload)
		case frameInline:
			_, _ = m.inline.Write(payload)    // never fails
			m.held += 2 * int64(len(payload)) // it grows by being copied
		case frameEnd:
			return nil
		case frameAlive, frameHeader, frameData, frameHole, frameRestart, frameDone, frameGone, frameFailed:
			err = unsafeStream("a frame out of place")
		default:
			err = unsafeStream("a frame of unknown kind")
		}
		if err == nil {
			err = m.check(in.came)
		}
		if err != nil {
			return err
		}
	}
}

// check bounds what the stream makes this appliance hold, by what came over the wire.
func (m *manifestReader) check(came int64) error {
	if m.inline.Len() > maxInline || m.bytes > maxManifest || m.items > manifest.MaxEntries {
		return unsafeStream("more than a manifest may have")
	}
	if m.held > heldAnyway+heldPerByte*came {
		why := unsafeStream(fmt.Sprintf("a manifest that takes more than %s of memory, in %s", pair.BytesText(m.held), pair.BytesText(came)))
		return &pair.Refusal{Code: pair.Failed, Text: why.Error(), Cause: errors.Join(source.ErrUnsafe, errSwollen)}
	}
	return nil
}

// count notes what an entry takes.
func (m *manifestReader) count(xattrs int) error {
	m.items++
	m.held += entryTakes + int64(xattrs)*64
	if m.items > manifest.MaxEntries {
		return unsafeStream("more than a manifest may have")
	}
	return nil
}

func (m *manifestReader) delta(kind frameKind, payload []byte) error {
	d := manifest.NewDecoder(payload)
	set := d.Uvarint()
	if d.Failed() || set >= uint64(len(m.deltas)) {
		return unsafeStream("entries of unknown data")
	}
	if kind == frameRemoved {
		return m.removed(&m.deltas[set], d)
	}
	return m.entries(&m.deltas[set], d)
}

func (m *manifestReader) removed(delta *manifest.Delta, d *manifest.Decoder) error {
	for len(d.Rest()) > 0 {
		delta.Removed = append(delta.Removed, d.String(pair.MaxPath))
		if d.Failed() {
			return unsafeStream("a path that cannot be read")
		}
		if err := m.count(0); err != nil {
			return err
		}
	}
	return nil
}

func (m *manifestReader) entries(delta *manifest.Delta, d *manifest.Decoder) error {
	for len(d.Rest()) > 0 {
		e, rest, err := manifest.ReadEntry(d.Rest())
		if err != nil {
			return unsafeStream(err.Error())
		}
		if n := len(delta.Set); n > 0 && manifest.ComparePaths(delta.Set[n-1].Path, e.Path) >= 0 {
			return unsafeStream("entries out of order")
		}
		if err := m.count(len(e.XAttrs)); err != nil {
			return err
		}
		delta.Set = append(delta.Set, e)
		d = manifest.NewDecoder(rest)
	}
	return nil
}

// manifest puts the manifest together and accepts it only if it is safe and is
// what the header promised.
func (m *manifestReader) manifest(base manifest.Manifest) (manifest.Manifest, error) {
	if m.head.Base == (manifest.Digest{}) {
		base = manifest.Manifest{}
	}
	whole := manifest.Manifest{Scheme: m.head.Scheme}
	for i, head := range m.head.Data {
		spec, err := pair.ParseSpec(head.Kind, head.Spec)
		if err != nil {
			return manifest.Manifest{}, unsafeStream("a manifest that is refused (" + err.Error() + ")")
		}
		data := pair.Data{Name: head.Name, Spec: spec}
		whole.Sets = append(whole.Sets, manifest.Set{Data: data, Entries: manifest.Patch(base.Find(data).Entries, m.deltas[i])})
	}
	if whole.Digest() != m.head.Digest {
		return manifest.Manifest{}, unsafeStream("a manifest that does not match its digest")
	}
	return whole, nil
}
