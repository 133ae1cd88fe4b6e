package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"

	"baton/internal/pair"
	"baton/internal/store/credential"
)

// Authenticate returns the user behind a name and a password, or pair.Unauthorized.
// An unknown or disabled user costs the same time as a wrong password; pair.TooMany:
// too many sign-ins wait already; nothing was looked at.
func (u *Users) Authenticate(ctx context.Context, name, password string) (pair.User, error) {
	return u.authenticate(ctx, u.strangers, name, password)
}

// AuthenticateAgain is Authenticate for somebody who is signed in, who does not wait
// for strangers.
func (u *Users) AuthenticateAgain(ctx context.Context, name, password string) (pair.User, error) {
	return u.authenticate(ctx, u.signedIn, name, password)
}

func (u *Users) authenticate(ctx context.Context, lane credential.Lane, name, password string) (pair.User, error) {
	user, kept, err := scanUser(u.db.reader.QueryRowContext(ctx, `SELECT `+userColumns+` FROM user WHERE name = ?`, name))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return pair.User{}, u.db.explain("look up the user", err)
	}
	right := false
	if len(password) <= credential.MaxPassword {
		if err := lane.Run(ctx, func() { right = credential.VerifyPassword(kept.password, password) }); err != nil {
			return pair.User{}, err
		}
	}
	if !right || user.Disabled {
		return pair.User{}, pair.Refuse(pair.Unauthorized, "the user name or the password is wrong")
	}
	return user, nil
}

// NoteLogin keeps the time of a sign-in. A full disk must not lock out the
// administrator who comes to free it.
func (u *Users) NoteLogin(ctx context.Context, name string) {
	err := u.db.exec(ctx, "note the sign-in", nil, `UPDATE user SET last_login = ? WHERE name = ?`, millis(u.db.now()), name)
	if err != nil {
		u.db.log.Warn("sign-in not noted", slog.String("user", name), slog.Any("error", err))
	}
}

func (u *Users) hash(ctx context.Context, password string) (phc string, err error) {
	err = u.signedIn.Run(ctx, func() { phc = credential.HashPassword(password) })
	return phc, err
}
