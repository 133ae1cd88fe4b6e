package admin

import (
	"context"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/peer"
)

// Keys implements api.Keys.
type Keys struct {
	Link  act.Link
	Audit act.Audit
}

// Key implements api.Keys.
func (k *Keys) Key(context.Context) (api.KeyState, error) {
	state := k.Link.KeyState()
	if !state.Set {
		return api.KeyState{}, nil
	}
	return api.KeyState{Set: true, SavedAt: &state.SetAt, Fingerprint: state.Fingerprint, Previous: state.Previous}, nil
}

// EndPreviousKey implements api.Keys.
func (k *Keys) EndPreviousKey(ctx context.Context) error {
	if k.Link.KeyState().Previous == "" {
		return pair.Refuse(pair.Refused, "only one pre-shared key is valid here: there is none to end")
	}
	if err := k.Link.EndPreviousKey(ctx); err != nil {
		return act.Failure(err)
	}
	k.Audit.Note(ctx, "ended the previous pre-shared key")
	return nil
}

// GenerateKey implements api.Keys.
func (k *Keys) GenerateKey(context.Context) (string, error) { return peer.Generate(), nil }

// SetKey implements api.Keys.
func (k *Keys) SetKey(ctx context.Context, key string) (api.KeyState, error) {
	if _, err := k.Link.SetKey(ctx, key); err != nil {
		return api.KeyState{}, act.Failure(err)
	}
	k.Audit.Note(ctx, "saved the pre-shared key")
	return k.Key(ctx)
}
