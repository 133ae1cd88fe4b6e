package sides

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/refusal"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

// Handler answers the other side that compares, on the authenticated link, under wire.Prefix.
func (s *Sides) Handler() http.Handler { return http.HandlerFunc(s.answer) }

// Path is where Handler answers.
const Path = wire.Prefix + "compare"

func (s *Sides) answer(w http.ResponseWriter, r *http.Request) {
	var q wire.Compare
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, wire.MaxRequest)).Decode(&q)
	switch {
	case err != nil:
		err = wire.Unsafe("a request that cannot be read")
	case s.answers.Swap(true):
		err = pair.Refuse(pair.Refused, "the data there is being compared already: wait until that has ended, then try again")
	}
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusConflict)
		_ = json.NewEncoder(w).Encode(refusal.Of(err)) // the peer may be gone
		return
	}
	var pack *wire.Packer
	if q.Pack {
		pack, _ = wire.NewPacker() // a help only
	}
	out := wire.NewWriter(s.opt.Limit.Answer(r.Context(), r.Context(), w, 2*s.opt.Idle), wire.Chunk, pack)
	if err := s.send(r.Context(), out, q); err != nil {
		s.opt.Log.Info("the other appliance did not hear all of what is here, to compare it", slog.Any("error", err))
		_ = errors.Join(out.JSON(wire.Failed, refusal.Of(err)), out.Flush()) // the peer may be gone
	}
}

// send sends what is here.
func (s *Sides) send(ctx context.Context, out *wire.Writer, q wire.Compare) error {
	found, err := s.looked(ctx, out)
	if err != nil {
		return err
	}
	head := wire.SideHead{Common: found.common, Manifest: found.of.Listed, Left: found.left, Header: wire.Header{
		Version: wire.Version, Scheme: found.manifest.Scheme, TakenAt: s.opt.Now().UnixMilli(), Digest: found.manifest.Digest(), Inline: found.manifest.Inline(),
	}}
	for _, set := range found.manifest.Listed() {
		head.Data = append(head.Data, wire.HeadOf(set.Data))
	}
	var base manifest.Manifest
	if of, has := s.opt.Ledger.State().Named(q.Base); has {
		if m, err := s.opt.Ledger.Manifest(of); err == nil && m.Order == manifest.ByBranch {
			base, head.Base = m, q.Base
		}
	}
	if err := errors.Join(out.JSON(wire.Head, head), wire.Deltas(out, base, found.manifest)); err != nil {
		return err
	}
	return errors.Join(out.Frame(wire.End, nil), out.Flush())
}

// looked is look, while the other side is told that this one is at work. The next comparison waits for its end.
func (s *Sides) looked(ctx context.Context, out *wire.Writer) (state, error) {
	type result struct {
		state

		err error
	}
	done := make(chan result, 1)
	go func() {
		found, err := s.look(ctx)
		s.answers.Store(false) // before the other side has the answer, and may ask again
		done <- result{found, err}
	}()
	tick := time.NewTicker(min(time.Second, s.opt.Idle/4))
	defer tick.Stop()
	for {
		select {
		case r := <-done:
			return r.state, r.err
		case <-tick.C:
		}
		if err := errors.Join(out.Frame(wire.Alive, nil), out.Flush()); err != nil {
			return state{}, err // the look sees that its context is over
		}
	}
}
