package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"baton/internal/pair"
	"baton/internal/store/credential"
)

// Users are the accounts of people.
type Users struct {
	db        *database
	strangers credential.Lane // computes the hashes of sign-ins
	signedIn  credential.Lane // and those of who is signed in
}

func newUsers(db *database) *Users {
	return &Users{db: db, strangers: credential.StrangersLane(), signedIn: credential.SignedInLane()}
}

// checkUser refuses every field that is wrong with an account.
func checkUser(user pair.UserChange) error {
	var name, address error
	if !validName(user.Name, "._@-") {
		name = pair.RefuseField("name", "%q is not a user name: use 1 to 63 letters, digits, dots, dashes or underscores", user.Name)
	}
	if parsed, err := mail.ParseAddress(user.Mail); user.Mail != "" && (err != nil || parsed.Address != user.Mail) {
		address = pair.RefuseField("mail", "%q is not a mail address: write it like name@example.org", user.Mail)
	}
	return errors.Join(name, address, pair.Check(user))
}

// accountOf is the account that is to be made.
func accountOf(user pair.NewUser) pair.UserChange {
	return pair.UserChange{Name: user.Name, DisplayName: user.DisplayName, Mail: user.Mail, Role: user.Role}
}

// validName reports whether a name is 1 to 63 lower-case letters, digits and
// characters of extra, beginning with a letter or digit.
func validName(name, extra string) bool {
	for i := range len(name) {
		letter := name[i] >= 'a' && name[i] <= 'z' || name[i] >= '0' && name[i] <= '9'
		if !letter && (i == 0 || strings.IndexByte(extra, name[i]) < 0) {
			return false
		}
	}
	return name != "" && len(name) <= 63
}

// Check refuses what Add would refuse of a person, every field at once,
// and adds nothing.
func (u *Users) Check(ctx context.Context, user pair.NewUser) error {
	_, err := findUser(ctx, u.db.reader, user.Name)
	switch {
	case err == nil:
		err = userExists(user.Name)
	case pair.CodeOf(err) == pair.NotFound:
		err = nil
	}
	return errors.Join(err, checkUser(accountOf(user)))
}

func userExists(name string) error {
	return pair.Refuse(pair.Refused, "there is already a user %q: choose another name", name).At("name")
}

// Add adds a person; pair.Refused: the name is taken.
func (u *Users) Add(ctx context.Context, user pair.NewUser) error {
	if err := errors.Join(checkUser(accountOf(user)), credential.CheckPassword(user.Password)); err != nil {
		return err
	}
	phc, err := u.hash(ctx, user.Password)
	if err != nil {
		return err
	}
	return u.db.exec(ctx, "add the user", userExists(user.Name),
		`INSERT INTO user (name, display_name, mail, password, role, disabled, created)
			VALUES (?, ?, ?, ?, ?, 0, ?) ON CONFLICT (name) DO NOTHING`,
		user.Name, user.DisplayName, user.Mail, phc, user.Role, u.db.now().UnixMilli())
}

func noUser(name string) error {
	return pair.Refuse(pair.NotFound, "there is no user %q: list them with baton user list", name)
}

// Update changes a person's display name, mail and role. It refuses with
// pair.Stale if the version is no longer user.Version; 0 means any.
func (u *Users) Update(ctx context.Context, user pair.UserChange) error {
	if err := checkUser(user); err != nil {
		return err
	}
	return u.db.write(ctx, "change the user", func(tx *sql.Tx) error {
		now, err := findUser(ctx, tx, user.Name)
		if err != nil {
			return err
		}
		if user.Version != 0 && user.Version != now.Version {
			return pair.Refuse(pair.Stale, "somebody else has changed %s meanwhile: look at the account again, then save", user.Name)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE user SET display_name = ?1, mail = ?2, sign_outs = sign_outs + (role <> ?3), role = ?3,
			version = version + 1 WHERE name = ?4`, user.DisplayName, user.Mail, user.Role, user.Name); err != nil {
			return err
		}
		return keepAdministrator(ctx, tx, now)
	})
}

// keepAdministrator refuses a change that would leave no administrator. Before is the user
// as he was before the change.
func keepAdministrator(ctx context.Context, tx *sql.Tx, before pair.User) error {
	if before.Role != pair.Administrator || before.Disabled {
		return nil // it was none of them
	}
	var administrators int
	row := tx.QueryRowContext(ctx, `SELECT count(*) FROM user WHERE role = ? AND NOT disabled`, pair.Administrator)
	if err := row.Scan(&administrators); err != nil {
		return err
	}
	if administrators == 0 {
		return pair.Refuse(pair.Refused, "%s is the last administrator: add or enable another one first", before.Name)
	}
	return nil
}

// SetPassword changes a password.
func (u *Users) SetPassword(ctx context.Context, name, password string) error {
	if err := credential.CheckPassword(password); err != nil {
		return err
	}
	phc, err := u.hash(ctx, password)
	if err != nil {
		return err
	}
	return u.db.exec(ctx, "change the password", noUser(name),
		`UPDATE user SET password = ? WHERE name = ?`, phc, name)
}

// Disable bars a user from signing in, and ends the user's sessions: enabling the
// user again does not bring them back. The last administrator cannot be barred.
func (u *Users) Disable(ctx context.Context, name string) error {
	return u.db.write(ctx, "disable the user", func(tx *sql.Tx) error {
		before, err := findUser(ctx, tx, name)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `UPDATE user SET disabled = 1, sign_outs = sign_outs + 1 WHERE name = ?`, name); err != nil {
			return err
		}
		return keepAdministrator(ctx, tx, before)
	})
}

// Enable lets a disabled user sign in again.
func (u *Users) Enable(ctx context.Context, name string) error {
	return u.db.exec(ctx, "enable the user", noUser(name),
		`UPDATE user SET disabled = 0 WHERE name = ?`, name)
}

const userColumns = `name, display_name, mail, role, disabled, last_login, version, password, totp, sign_outs`

func scanUser(row scanner) (pair.User, secrets, error) {
	var user pair.User
	var kept secrets
	var login sql.NullInt64
	err := row.Scan(&user.Name, &user.DisplayName, &user.Mail, &user.Role, &user.Disabled, &login,
		&user.Version, &kept.password, &kept.totp, &kept.signOuts)
	user.LastLogin = fromMillis(login)
	user.TOTP = kept.totp != ""
	user.Stamp = kept.stamp(user)
	return user, kept, err
}

// secrets are what a user proves themselves by.
type secrets struct {
	password string // PHC string
	totp     string // base32; empty: none
	signOuts int64
}

// stamp is made of the password's salted hash and random bits: nothing of them
// can be found from it.
func (k secrets) stamp(user pair.User) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %t %q %d", k.password, user.Role, user.Disabled, k.totp, k.signOuts))
	return hex.EncodeToString(sum[:16])
}

// Get returns one person.
func (u *Users) Get(ctx context.Context, name string) (pair.User, error) {
	user, err := findUser(ctx, u.db.reader, name)
	return user, u.db.explain("look up the user", err)
}

func findUser(ctx context.Context, from querier, name string) (pair.User, error) {
	user, _, err := scanUser(from.QueryRowContext(ctx, `SELECT `+userColumns+` FROM user WHERE name = ?`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return pair.User{}, noUser(name)
	}
	return user, err
}

// List lists everybody, by name.
func (u *Users) List(ctx context.Context) ([]pair.User, error) {
	users, err := list(ctx, u.db.reader, func(row scanner) (pair.User, error) {
		user, _, err := scanUser(row)
		return user, err
	}, `SELECT `+userColumns+` FROM user ORDER BY name`)
	return users, u.db.explain("list the users", err)
}
