package api

import (
	"context"
	"net/http"

	"baton/internal/pair"
)

// Tokens keeps the API tokens.
type Tokens interface {
	Tokens(ctx context.Context) ([]pair.Token, error)
	CreateToken(ctx context.Context, token pair.NewToken) (pair.CreatedToken, error)
	RevokeToken(ctx context.Context, id string) error
	// Authenticate returns who holds the secret: Name and Access. Unauthorized
	// if nobody does, or if the token has expired.
	Authenticate(ctx context.Context, secret string) (Caller, error)
}

// ListTokens lists the API tokens, without their secrets.
func ListTokens() Op[Tokens, None, []pair.Token] {
	return ask(get("/tokens", "tokens", pair.Administrator, "API tokens, without their secrets"), Tokens.Tokens)
}

// CreateToken makes an API token.
func CreateToken() Op[Tokens, pair.NewToken, pair.CreatedToken] {
	return askWith(post("/tokens", "create-token", pair.Administrator, "Make an API token; its secret is shown this once").answering(http.StatusCreated), Tokens.CreateToken)
}

// RevokeToken ends a token at once.
func RevokeToken() Op[Tokens, string, None] {
	return orderID(del("/tokens/{id}", "revoke-token", pair.Administrator, "End a token at once"), Tokens.RevokeToken)
}

func (s *Server) serveTokens() {
	serve(s, s.backend.Tokens, ListTokens())
	serve(s, s.backend.Tokens, CreateToken())
	serve(s, s.backend.Tokens, RevokeToken())
}
