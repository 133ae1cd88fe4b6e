package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"time"

	"baton/internal/pair"
	"baton/internal/store/credential"
)

// tokenPrefix marks our tokens, so that a leaked one is recognised in a search.
const tokenPrefix = "baton_"

// tokenUse is how exactly the last use of a token is kept: not a write for each call.
const tokenUse = time.Minute

// Tokens are the API tokens.
type Tokens struct{ db *database }

// Create makes a token and returns it with its secret, which cannot be shown again.
func (t Tokens) Create(ctx context.Context, token pair.NewToken) (pair.CreatedToken, error) {
	if !validName(token.Name, "._-") {
		return pair.CreatedToken{}, pair.RefuseField("name", "%q is not a token's name: use 1 to 63 lower-case letters, digits, dots, dashes or underscores", token.Name)
	}
	if _, err := pair.ParseAccess(string(token.Role)); err != nil {
		return pair.CreatedToken{}, pair.RefuseField("role", "%s", err)
	}
	now := t.db.now()
	if !token.Expires.IsZero() && !token.Expires.After(now) {
		return pair.CreatedToken{}, pair.RefuseField("expires", "that moment has passed: use a later one, or none")
	}
	made := pair.CreatedToken{
		Token:  pair.Token{ID: token.Name, Name: token.Name, Role: token.Role, Created: now, Expires: token.Expires},
		Secret: tokenPrefix + rand.Text() + rand.Text(),
	}
	err := t.db.exec(ctx, "create the token", pair.Refuse(pair.Refused, "there is already a token %q: choose another name, or revoke it first", token.Name),
		`INSERT INTO token (name, hash, role, created, expires) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (name) DO NOTHING`, token.Name, credential.HashToken(made.Secret), token.Role, now.UnixMilli(), millis(token.Expires))
	if err != nil {
		return pair.CreatedToken{}, err
	}
	return made, nil
}

const tokenColumns = `name, role, created, expires, last_used` //nolint:gosec // names of columns

func scanToken(row scanner) (pair.Token, error) {
	var token pair.Token
	var created, expires, used sql.NullInt64
	err := row.Scan(&token.Name, &token.Role, &created, &expires, &used)
	token.ID = token.Name // one name, one token
	token.Created, token.Expires, token.LastUsed = fromMillis(created), fromMillis(expires), fromMillis(used)
	return token, err
}

// Authenticate returns the token behind what a program presents, or pair.Unauthorized.
func (t Tokens) Authenticate(ctx context.Context, plain string) (pair.Token, error) {
	refused := pair.Refuse(pair.Unauthorized, "the token is unknown, revoked or expired: create one on the API page, or with baton token create")
	if !strings.HasPrefix(plain, tokenPrefix) {
		return pair.Token{}, refused
	}
	token, err := scanToken(t.db.reader.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM token WHERE hash = ?`, credential.HashToken(plain)))
	if errors.Is(err, sql.ErrNoRows) {
		return pair.Token{}, refused
	}
	if err != nil {
		return pair.Token{}, t.db.explain("look up the token", err)
	}
	now := t.db.now()
	if !token.Expires.IsZero() && !now.Before(token.Expires) {
		return pair.Token{}, refused
	}
	if now.Sub(token.LastUsed) >= tokenUse {
		t.noteUse(ctx, &token, now)
	}
	return token, nil
}

func (t Tokens) noteUse(ctx context.Context, token *pair.Token, now time.Time) {
	token.LastUsed = fromMillis(millis(now))
	err := t.db.exec(ctx, "note the token's use", nil, `UPDATE token SET last_used = ? WHERE name = ?`, millis(now), token.Name)
	if err != nil { // a program keeps its access while the disk is full
		t.db.log.Warn("use of a token not noted", slog.String("token", token.Name), slog.Any("error", err))
	}
}

// List lists every token, by name.
func (t Tokens) List(ctx context.Context) ([]pair.Token, error) {
	tokens, err := list(ctx, t.db.reader, scanToken, `SELECT `+tokenColumns+` FROM token ORDER BY name`)
	return tokens, t.db.explain("list the tokens", err)
}

// Revoke ends a token at once.
func (t Tokens) Revoke(ctx context.Context, name string) error {
	return t.db.exec(ctx, "revoke the token", pair.Refuse(pair.NotFound, "there is no token %q: baton token list shows them, as the API page does", name),
		`DELETE FROM token WHERE name = ?`, name)
}
