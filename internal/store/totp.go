package store

import (
	"context"
	"database/sql"
	"errors"

	"baton/internal/pair"
	"baton/internal/store/credential"
)

// SetTOTP asks a user for one-time codes from now on, once they have shown one,
// and returns codes for the case that they lose what makes them.
func (u *Users) SetTOTP(ctx context.Context, name, secret, code string) (recovery []string, err error) {
	if !credential.ValidSecret(secret) {
		return nil, pair.RefuseField("secret", "this is not a secret of ours: begin again")
	}
	step, right := credential.MatchCode(secret, code, u.db.now())
	if !right {
		return nil, pair.RefuseField("code", "this is not the code of now: look whether the clock of the device is right, and type the newest one")
	}
	recovery = credential.NewRecoveryCodes()
	err = u.db.write(ctx, "turn on one-time codes", func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE user SET totp = ?, sign_outs = sign_outs + 1 WHERE name = ?`, secret, name)
		if err := affected(result, err, noUser(name)); err != nil {
			return err
		}
		if err := spendStep(ctx, tx, name, step); err != nil {
			return err
		}
		return replaceRecovery(ctx, tx, name, recovery)
	})
	if err != nil {
		return nil, err
	}
	return recovery, nil
}

// ClearTOTP makes a user's password enough again.
func (u *Users) ClearTOTP(ctx context.Context, name string) error {
	return u.db.write(ctx, "turn off one-time codes", func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE user SET sign_outs = sign_outs + (totp <> ''), totp = '' WHERE name = ?`, name)
		if err := affected(result, err, noUser(name)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM last_code WHERE user = ?`, name); err != nil {
			return err
		}
		return replaceRecovery(ctx, tx, name, nil)
	})
}

func replaceRecovery(ctx context.Context, tx *sql.Tx, name string, codes []string) error {
	for _, table := range []string{"recovery_code", "spent_code"} {
		if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE user = ?`, name); err != nil { //nolint:gosec // the table is one of ours
			return err
		}
	}
	for _, code := range codes {
		if _, err := tx.ExecContext(ctx, `INSERT INTO recovery_code (user, hash) VALUES (?, ?)`, name, credential.HashRecovery(code)); err != nil {
			return err
		}
	}
	return nil
}

// RecoveryLeft tells how many recovery codes a user still has.
func (u *Users) RecoveryLeft(ctx context.Context, name string) (left int, err error) {
	row := u.db.reader.QueryRowContext(ctx, `SELECT count(*) FROM recovery_code WHERE user = ?`, name)
	return left, u.db.explain("count the recovery codes", row.Scan(&left))
}

// CheckCode accepts a one-time code or a recovery code of a user, each once, or
// refuses with pair.Unauthorized.
func (u *Users) CheckCode(ctx context.Context, name, code string) error {
	_, kept, err := scanUser(u.db.reader.QueryRowContext(ctx, `SELECT `+userColumns+` FROM user WHERE name = ?`, name))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return u.db.explain("look up the user", err)
	}
	if step, right := credential.MatchCode(kept.totp, code, u.db.now()); right {
		return u.db.write(ctx, "check the code", func(tx *sql.Tx) error { return spendStep(ctx, tx, name, step) })
	}
	return u.spendRecovery(ctx, name, credential.HashRecovery(code))
}

func wrongCode() error {
	return pair.Refuse(pair.Unauthorized, "this code is not valid, or was used already: type the newest one")
}

// spendStep marks the one-time code of a step as used, and refuses one that is.
func spendStep(ctx context.Context, tx *sql.Tx, name string, step int64) error {
	result, err := tx.ExecContext(ctx, `INSERT INTO last_code (user, step) VALUES (?1, ?2)
		ON CONFLICT (user) DO UPDATE SET step = ?2 WHERE step < ?2`, name, step)
	return affected(result, err, wrongCode())
}

func (u *Users) spendRecovery(ctx context.Context, name, hash string) error {
	return u.db.write(ctx, "check the recovery code", func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM recovery_code WHERE user = ? AND hash = ?`, name, hash)
		if err := affected(result, err, wrongCode()); err != nil {
			return err
		}
		result, err = tx.ExecContext(ctx, `INSERT INTO spent_code (user, hash) VALUES (?, ?) ON CONFLICT DO NOTHING`, name, hash)
		return affected(result, err, wrongCode())
	})
}
