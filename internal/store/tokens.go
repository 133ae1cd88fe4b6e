package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"time"

	"baton/internal/pair"
)

// tokenPrefix marks our tokens, so that a leaked one is recognised in a search.
const tokenPrefix = "baton_"

// tokenUse is how exactly the last use of a token is kept: not a write for each call.
const tokenUse = time.Minute

// CreateToken makes a token and returns it with its secret, which cannot be shown again.
func (s *Site) CreateToken(ctx context.Context, token pair.NewToken) (pair.CreatedToken, error) {
	if !validName(token.Name, "._-") {
		return pair.CreatedToken{}, pair.RefuseField("name", "%q is not a token's name: use 1 to 63 lower-case letters, digits, dots, dashes or underscores", token.Name)
	}
	if _, err := pair.ParseAccess(string(token.Role)); err != nil {
		return pair.CreatedToken{}, pair.RefuseField("role", "%s", err)
	}
	now := s.now()
	if !token.Expires.IsZero() && !token.Expires.After(now) {
		return pair.CreatedToken{}, pair.RefuseField("expires", "that moment has passed: use a later one, or none")
	}
	made := pair.CreatedToken{
		Token:  pair.Token{ID: token.Name, Name: token.Name, Role: token.Role, Created: now, Expires: token.Expires},
		Secret: tokenPrefix + rand.Text() + rand.Text(),
	}
	err := s.write(ctx, "create the token", func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `INSERT INTO token (name, hash, role, created, expires) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (name) DO NOTHING`, token.Name, hashToken(made.Secret), token.Role, now.UnixMilli(), millis(token.Expires))
		return affected(result, err, pair.Refuse(pair.Refused, "there is already a token %q: choose another name, or revoke it first", token.Name))
	})
	if err != nil {
		return pair.CreatedToken{}, err
	}
	return made, nil
}

// hashToken needs no salt and no cost: a token is 260 random bits.
func hashToken(plain string) string {
	sum := sha256.Sum256([]byte(plain))
	return hex.EncodeToString(sum[:])
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

// AuthenticateToken returns the token behind what a program presents, or pair.Unauthorized.
func (s *Site) AuthenticateToken(ctx context.Context, plain string) (pair.Token, error) {
	refused := pair.Refuse(pair.Unauthorized, "the token is unknown, revoked or expired: create one on the API page")
	if !strings.HasPrefix(plain, tokenPrefix) {
		return pair.Token{}, refused
	}
	token, err := scanToken(s.reader.QueryRowContext(ctx, `SELECT `+tokenColumns+` FROM token WHERE hash = ?`, hashToken(plain)))
	if errors.Is(err, sql.ErrNoRows) {
		return pair.Token{}, refused
	}
	if err != nil {
		return pair.Token{}, s.explain("look up the token", err)
	}
	now := s.now()
	if !token.Expires.IsZero() && !now.Before(token.Expires) {
		return pair.Token{}, refused
	}
	if now.Sub(token.LastUsed) >= tokenUse {
		s.noteUse(ctx, &token, now)
	}
	return token, nil
}

func (s *Site) noteUse(ctx context.Context, token *pair.Token, now time.Time) {
	token.LastUsed = fromMillis(millis(now))
	err := s.write(ctx, "note the token's use", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE token SET last_used = ? WHERE name = ?`, millis(now), token.Name)
		return err
	})
	if err != nil { // a program keeps its access while the disk is full
		s.log.Warn("use of a token not noted", slog.String("token", token.Name), slog.Any("error", err))
	}
}

// Tokens lists every token, by name.
func (s *Site) Tokens(ctx context.Context) ([]pair.Token, error) {
	tokens := []pair.Token{}
	rows, err := s.reader.QueryContext(ctx, `SELECT `+tokenColumns+` FROM token ORDER BY name`)
	err = each(rows, err, func(row scanner) error {
		token, err := scanToken(row)
		tokens = append(tokens, token)
		return err
	})
	return tokens, s.explain("list the tokens", err)
}

// RevokeToken ends a token at once.
func (s *Site) RevokeToken(ctx context.Context, name string) error {
	return s.write(ctx, "revoke the token", func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM token WHERE name = ?`, name)
		return affected(result, err, pair.Refuse(pair.NotFound, "there is no token %q: list them on the API page", name))
	})
}
