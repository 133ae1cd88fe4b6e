package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"baton/internal/pair"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"
)

// One-time codes are those that every authenticator makes: SHA-1, six digits, a
// new one every 30 seconds. Clocks may be one step apart (RFC 6238, section 5.2).
const (
	codePeriod = 30 // seconds
	codeSkew   = 1  // steps

	totpSecret    = 20 // bytes (RFC 4226, section 4)
	recoveryCodes = 10
	recoveryChars = 16 // base32: 80 random bits, so that a plain hash of them is enough
)

func codeOptions() hotp.ValidateOpts {
	return hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}
}

// TOTPKey is a secret for one-time codes, to be shown to its user.
type TOTPKey struct {
	Secret string // base32
	URL    string // otpauth:// for a QR code
}

// NewTOTP makes a secret and saves nothing.
func NewTOTP(site, user string) (TOTPKey, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: site, AccountName: user, SecretSize: totpSecret, Period: codePeriod})
	if err != nil {
		return TOTPKey{}, err
	}
	return TOTPKey{Secret: key.Secret(), URL: key.URL()}, nil
}

// SetTOTP asks a user for one-time codes from now on, once they have shown one,
// and returns codes for the case that they lose what makes them.
func (u *Users) SetTOTP(ctx context.Context, name, secret, code string) (recovery []string, err error) {
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil || len(raw) != totpSecret {
		return nil, pair.RefuseField("secret", "this is not a secret of ours: begin again")
	}
	step, right := matchCode(secret, code, u.db.now())
	if !right {
		return nil, pair.RefuseField("code", "this is not the code of now: look whether the clock of the device is right, and type the newest one")
	}
	recovery = newRecoveryCodes()
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
		if _, err := tx.ExecContext(ctx, `INSERT INTO recovery_code (user, hash) VALUES (?, ?)`, name, hashToken(plainRecovery(code))); err != nil {
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
	if step, right := matchCode(kept.totp, code, u.db.now()); right {
		return u.db.write(ctx, "check the code", func(tx *sql.Tx) error { return spendStep(ctx, tx, name, step) })
	}
	return u.spendRecovery(ctx, name, hashToken(plainRecovery(code)))
}

func wrongCode() error {
	return pair.Refuse(pair.Unauthorized, "this code is not valid, or was used already: type the newest one")
}

// matchCode finds the time step whose code it is. All of them are compared,
// whichever matches.
func matchCode(secret, code string, now time.Time) (step int64, right bool) {
	code = strings.ReplaceAll(strings.TrimSpace(code), " ", "")
	if secret == "" {
		return 0, false
	}
	middle := now.Unix() / codePeriod
	for at := middle - codeSkew; at <= middle+codeSkew; at++ {
		if same, err := hotp.ValidateCustom(code, uint64(max(at, 0)), secret, codeOptions()); same && err == nil {
			step, right = at, true
		}
	}
	return step, right
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

// newRecoveryCodes returns codes like abcd-efgh-ijkl-mnop.
func newRecoveryCodes() []string {
	codes := make([]string, recoveryCodes)
	for i := range codes {
		text := strings.ToLower(rand.Text()[:recoveryChars])
		codes[i] = strings.Join([]string{text[:4], text[4:8], text[8:12], text[12:]}, "-")
	}
	return codes
}

// plainRecovery is a recovery code as it is hashed, however it was typed.
func plainRecovery(code string) string {
	return strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(strings.TrimSpace(code)))
}
