package signin

import (
	"context"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/pair"
)

// Tokens implements api.Tokens.
type Tokens struct{ *people }

// Tokens implements api.Tokens.
func (t *Tokens) Tokens(ctx context.Context) ([]pair.Token, error) {
	tokens, err := t.store.Tokens.List(ctx)
	return tokens, act.Failure(err)
}

// CreateToken implements api.Tokens.
func (t *Tokens) CreateToken(ctx context.Context, token pair.NewToken) (made pair.CreatedToken, err error) {
	err = t.lead.ChangeFor(ctx, "created the token "+token.Name, func() (err error) {
		made, err = t.store.Tokens.Create(ctx, token)
		return err
	})
	return made, err
}

// RevokeToken implements api.Tokens.
func (t *Tokens) RevokeToken(ctx context.Context, id string) error {
	return t.lead.ChangeFor(ctx, "revoked the token "+id, func() error { return t.store.Tokens.Revoke(ctx, id) })
}

// Authenticate implements api.Tokens.
func (t *Tokens) Authenticate(ctx context.Context, secret string) (api.Caller, error) {
	token, err := t.store.Tokens.Authenticate(ctx, secret)
	if err != nil {
		return api.Caller{}, act.Failure(err)
	}
	return api.Caller{Name: token.Name, Access: token.Role}, nil
}
