package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"baton/internal/act"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/status"
)

// Key implements api.Keys.
func (b *backend) Key(context.Context) (api.KeyState, error) {
	state := b.link.KeyState()
	if !state.Set {
		return api.KeyState{}, nil
	}
	return api.KeyState{Set: true, SavedAt: &state.SetAt, Fingerprint: state.Fingerprint, Previous: state.Previous}, nil
}

// EndPreviousKey implements api.Keys.
func (b *backend) EndPreviousKey(ctx context.Context) error {
	if b.link.KeyState().Previous == "" {
		return pair.Refuse(pair.Refused, "only one pre-shared key is valid here: there is none to end")
	}
	if err := b.link.EndPreviousKey(ctx); err != nil {
		return act.Failure(err)
	}
	b.lead.Audit.Note(ctx, "ended the previous pre-shared key")
	return nil
}

// GenerateKey implements api.Keys.
func (b *backend) GenerateKey(context.Context) (string, error) { return peer.Generate(), nil }

// SetKey implements api.Keys.
func (b *backend) SetKey(ctx context.Context, key string) (api.KeyState, error) {
	if _, err := b.link.SetKey(ctx, key); err != nil {
		return api.KeyState{}, act.Failure(err)
	}
	b.lead.Audit.Note(ctx, "saved the pre-shared key")
	return b.Key(ctx)
}

// PreviewPair implements api.Relationship.
func (b *backend) PreviewPair(ctx context.Context, request api.PairRequest) (api.PairPreview, error) {
	if err := b.mayPair(); err != nil {
		return api.PairPreview{}, err
	}
	found, err := b.link.Look(ctx, request.Address, peer.PairRequest{Reverse: request.Reverse})
	if err != nil {
		return api.PairPreview{}, b.notPaired(err)
	}
	preview := api.PairPreview{
		Name: found.Hello.Name, Version: found.Hello.Version, Role: found.Hello.Role, Address: found.Address, Reverse: found.Reverse,
		HoldsData: found.Hello.HoldsData, Data: found.Hello.Data, NeedReplace: found.NeedReplace,
		Text:   fmt.Sprintf("All site data on %s will be replaced by that of %s.", found.Hello.Name, b.config.Name),
		Brings: []string{},
	}
	if preview.NeedReplace && !strings.HasPrefix(found.Hello.Data, noPieces) {
		preview.Confirm = found.Hello.Name
	}
	protected, err := b.site.Data(ctx)
	if err != nil {
		return api.PairPreview{}, act.Failure(err)
	}
	for _, data := range protected {
		preview.Brings = append(preview.Brings, data.Spec.String())
	}
	preview.Offer = b.offer(protected)
	for _, check := range []api.Check{b.preflight.CheckVersions(found.Hello.Version), status.CheckOffset(found.ClockOffset), status.CheckData(len(protected))} {
		if !check.OK {
			preview.Warnings = append(preview.Warnings, api.Warn(check))
		}
	}
	return preview, nil
}

// notPaired is failure of a pairing. Keys that differ are told with the fingerprint of
// the one here. The other's is shown to nobody who has not proved the key: a key that is
// easily guessed could be found from it.
func (b *backend) notPaired(err error) error {
	told := act.Failure(err)
	if errors.Is(err, peer.ErrKeyMismatch) {
		return pair.Refuse(pair.CodeOf(told), "%s", "the pre-shared keys of the two appliances differ: the key here has the fingerprint "+b.link.KeyState().Fingerprint+
			"; compare it with the one on the page Management > Security of the other appliance (or: baton key fingerprint), and save the same key on both")
	}
	return told
}

func (b *backend) mayPair() error {
	if b.agent.Look().State.Record.Role == pair.Backup {
		return pair.Refuse(pair.Refused, "this appliance is the backup of a relationship: break it first, or run this on the one that holds the data")
	}
	return nil
}

// Pair implements api.Relationship.
func (b *backend) Pair(ctx context.Context, request api.PairRequest) (pair.PeerStatus, error) {
	if err := b.mayPair(); err != nil {
		return pair.PeerStatus{}, err
	}
	pinned, err := b.link.Pair(ctx, request.Address, peer.PairRequest{Reverse: request.Reverse, Replace: request.Replace})
	if err != nil {
		return pair.PeerStatus{}, b.notPaired(err)
	}
	b.lead.Audit.Note(ctx, "established a relationship with %s", pinned.Name)
	if status := b.overview.PeerStatus(time.Now()); status != nil {
		return *status, nil
	}
	return pair.PeerStatus{}, pair.Refuse(pair.Failed, "the relationship was broken again at once: look at the history of both appliances")
}

// Unpair implements api.Relationship.
func (b *backend) Unpair(ctx context.Context, request api.UnpairRequest) error {
	s := b.agent.Look()
	if _, paired := b.link.Paired(); !paired {
		return act.Failure(peer.ErrNotPaired)
	}
	if heard := s.State.PeerHeard; !request.Force && (!heard.Set || agent.BootClock().Sub(heard.At) > s.Config.Timeout) {
		return pair.Refuse(pair.Unreachable, "the peer does not answer, so it would not learn of this: bring it back, or repeat with --force and break the relationship there, too")
	}
	b.lead.Audit.Note(ctx, "broke the relationship")
	return act.Failure(b.link.Unpair(ctx))
}
