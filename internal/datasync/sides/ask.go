package sides

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"baton/internal/datasync/ledger"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/pace"
	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

// who begins what the peer says.
const who = "The other appliance"

// errSynced means that the snapshot from which the other side told the difference is not kept any more.
var errSynced = errors.New("a data sync has ended meanwhile")

// question is one comparison, on the side that asks.
type question struct {
	sides  *Sides
	cancel context.CancelCauseFunc
	client *http.Client
	base   string
}

// ask asks the other side what it has.
func (q question) ask(ctx context.Context, here state) (state, error) {
	request := wire.Compare{Base: here.of.Listed, Pack: q.sides.opt.Limit.Slow(), Version: wire.Version}
	there, err := q.try(ctx, request)
	if errors.Is(err, wire.ErrSwollen) { // names that are much alike; as they are, they show what they take
		request.Pack = false
		there, err = q.try(ctx, request)
	}
	return there, err
}

func (q question) try(ctx context.Context, request wire.Compare) (state, error) {
	s := q.sides
	body, err := json.Marshal(request)
	if err != nil {
		return state{}, fmt.Errorf("write request: %w", err)
	}
	answer, err := q.do(ctx, body)
	if err != nil {
		return state{}, err
	}
	defer func() { _ = answer.Close() }()
	s.opt.Limit.Drain()
	in, err := wire.NewReader(&pace.Reader{
		Context: ctx, From: answer, Limit: s.opt.Limit, Idle: s.opt.Idle, Silent: q.stalled, Seen: func(int) {},
	}, wire.SmallFile, refusal.ReadFrom(who))
	if err != nil {
		return state{}, err
	}
	defer in.Close()
	return q.read(in, request)
}

// do sends the question, and returns the body of a good answer.
func (q question) do(ctx context.Context, body []byte) (io.ReadCloser, error) {
	watchdog := time.AfterFunc(q.sides.opt.Idle, q.stalled)
	answer, err := wire.Ask(ctx, q.client, strings.TrimSuffix(q.base, "/")+Path, "the peer", body)
	watchdog.Stop()
	if err != nil {
		return nil, err
	}
	if answer.StatusCode/100 == 2 {
		return answer.Body, nil
	}
	if answer.StatusCode == http.StatusNotFound {
		_ = answer.Body.Close()
		return nil, pair.Refuse(pair.Refused, "the other appliance runs a version of Baton that cannot compare: update Baton there, then try again")
	}
	return nil, refusal.In(answer, who)
}

func (q question) stalled() {
	q.cancel(source.Sentence(refusal.ErrStalled, "The other appliance sent nothing for %s: check the connection, then compare again.", q.sides.opt.Idle))
}

// read takes what the other side has, if it is what a side of this version can have.
func (q question) read(in *wire.Reader, request wire.Compare) (state, error) {
	s := q.sides
	var head wire.SideHead
	kind, payload, err := in.Next()
	switch {
	case err != nil:
		return state{}, err
	case kind != wire.Head || json.Unmarshal(payload, &head) != nil:
		return state{}, wire.Unsafe("no header")
	case head.Version != wire.Version || head.Scheme != manifest.Newest:
		return state{}, wire.Unsafe("data in a way that was not asked for")
	case len(head.Data) > manifest.MaxSets || len(head.Left) > mostMoving*(manifest.MaxSets+1):
		return state{}, wire.Unsafe("more protected data than there can be")
	case head.Base != (manifest.Digest{}) && head.Base != request.Base:
		return state{}, wire.Unsafe("a difference from a snapshot that is not ours")
	}
	var base manifest.Manifest
	if head.Base != (manifest.Digest{}) {
		of, has := s.opt.Ledger.State().Named(head.Base)
		if base, err = s.opt.Ledger.Manifest(of); err != nil || !has {
			return state{}, source.Sentence(errSynced, "Data syncs end faster than the two sides are compared: try again when less changes, or pause the syncs meanwhile (baton settings set backup_operations=false).")
		}
	}
	entries := wire.NewManifestReader(head.Header)
	if err := entries.Read(in); err != nil {
		return state{}, err
	}
	there := state{left: head.Left, common: head.Common, of: ledger.Reference{Listed: head.Manifest}}
	if there.manifest, err = entries.Manifest(base); err != nil {
		return state{}, err
	}
	if err := there.manifest.Check(base, s.opt.Sources.Check); err != nil {
		return state{}, wire.Unsafe("a manifest that is refused (" + err.Error() + ")")
	}
	if s.opt.Sources.Inline.Spec != nil && head.Inline != (manifest.Digest{}) {
		there.manifest.Sets = append(there.manifest.Sets, manifest.InlineSet(s.opt.Sources.Inline, head.Inline))
	}
	return there, nil
}
