package datasync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/ledger"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/pace"
	"baton/internal/datasync/progress"
	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
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
	answer, err := wire.Ask(ctx, p.client, p.base+path, "the primary", body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 == 2 {
		return answer.Body, nil
	}
	return nil, refusal.In(answer, refusal.Primary)
}

// open sends a request whose answer is a stream of frames.
func (p *pull) open(ctx context.Context, path string, body []byte, ahead int) (*wire.Reader, func(), error) {
	e := p.engine
	watchdog := time.AfterFunc(e.opt.Idle, func() {
		p.cancel(source.Sentence(refusal.ErrStalled, "The primary did not answer within %s: check the connection; the sync is tried again by itself.", e.opt.Idle))
	})
	answer, err := p.do(ctx, path, body)
	watchdog.Stop()
	if err != nil {
		return nil, nil, err
	}
	e.limit.Drain()
	in, err := wire.NewReader(&pace.Reader{
		Context: ctx, From: answer, Limit: e.limit, Idle: e.opt.Idle,
		Silent: func() {
			p.cancel(source.Sentence(refusal.ErrStalled, "The peer sent nothing for %s: check the connection; the next sync goes on where this one stopped.", e.opt.Idle))
		},
		Seen: func(n int) { e.progress.Received(e.opt.Now(), n) },
	}, ahead, refusal.Read)
	if err != nil {
		_ = answer.Close()
		return nil, nil, err
	}
	return in, func() {
		in.Close()
		_ = answer.Close()
	}, nil
}

// fetchManifest asks for the state of the primary's data, and receives what travels
// inline, unless that is here.
func (p *pull) fetchManifest(ctx context.Context, inline *target) error {
	e, st := p.engine, p.engine.ledger.State()
	_, of := st.Common()
	base, err := e.ledger.Manifest(of)
	if err != nil { // damaged: ask for the whole
		of, base = ledger.Reference{}, manifest.Manifest{}
	}
	req := wire.Question{Epoch: p.req.Epoch, Final: p.req.Final, Snapshot: st.Snapshot, Base: of.Listed, Pack: e.limit.Slow(), Scheme: manifest.Newest, Version: wire.Version}
	if inline != nil {
		req.Inline = manifest.Digest(inline.have.Whole().Hash)
	}
	err = p.askManifest(ctx, req, base)
	if errors.Is(err, wire.ErrSwollen) { // names that are much alike; as they are, they show what they take
		req.Pack = false
		err = p.askManifest(ctx, req, base)
	}
	return err
}

func (p *pull) askManifest(ctx context.Context, req wire.Question, base manifest.Manifest) error {
	body, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	const ahead = 8 << 10 // the answer that nothing has changed is shorter
	in, done, err := p.open(ctx, "manifest", body, ahead)
	if err != nil {
		return err
	}
	defer done()
	if err := p.readHeader(in, req.Base); err != nil {
		return err
	}
	m := wire.NewManifestReader(p.head)
	if err := m.Read(in); err != nil {
		return err
	}
	if p.manifest, err = m.Manifest(base); err != nil {
		return err
	}
	if err := p.manifest.Check(base, p.engine.sources.Check); err != nil {
		return wire.Unsafe("a manifest that is refused (" + err.Error() + ")")
	}
	return p.keepInline(m.Inline.Bytes(), req.Inline)
}

// keepInline keeps what travelled inline, if it is not what is here.
func (p *pull) keepInline(b []byte, here manifest.Digest) error {
	p.inline = nil
	if p.engine.sources.Inline.Spec == nil {
		return nil
	}
	p.manifest.Sets = append(p.manifest.Sets, manifest.InlineSet(p.engine.sources.Inline, p.head.Inline))
	if p.head.Inline == here {
		return nil
	}
	if manifest.Digest(blake3.Sum256(b)) != p.head.Inline {
		return wire.Unsafe("data that does not match its hash")
	}
	p.inline = b
	return nil
}

func (p *pull) readHeader(in *wire.Reader, base manifest.Digest) error {
	kind, payload, err := in.Next()
	if err != nil {
		return err
	}
	p.head = wire.Header{}
	if kind != wire.Head || json.Unmarshal(payload, &p.head) != nil {
		return wire.Unsafe("no header")
	}
	if p.head.Version > wire.Version {
		return wire.Unsafe("data in a way that was not asked for")
	}
	if p.head.Scheme > manifest.Newest {
		return wire.Unsafe("content that is hashed in a way that was not asked for")
	}
	if len(p.head.Data) > manifest.MaxSets {
		return wire.Unsafe("more protected data than there can be")
	}
	if p.head.Epoch != p.req.Epoch {
		return source.Sentence(refusal.ErrStaleEpoch, "The primary sent data of epoch %s, but was asked for that of epoch %s: the sync is tried again by itself.", p.head.Epoch, p.req.Epoch)
	}
	if p.head.Base != (manifest.Digest{}) && p.head.Base != base {
		return wire.Unsafe("a difference from a snapshot that is not ours")
	}
	if p.head.Number > maxNumber {
		return wire.Unsafe("a snapshot number that cannot be")
	}
	if own := p.engine.Snapshot(); own.Epoch == p.head.Epoch && p.head.Number <= own.Number {
		return refusal.SetBack(own.Number, p.head.Number)
	}
	p.engine.progress.Update(func(pr *progress.Progress) { pr.Number = p.head.Number })
	return nil
}

// maxNumber bounds the number of a snapshot: further ones must not wrap around.
const maxNumber = 1 << 53
