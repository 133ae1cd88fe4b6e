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
	"time"

	"baton/internal/pair"
)

// UserRole says what a person or a program may do.
type UserRole string

// The roles of users and tokens.
const (
	Administrator UserRole = "administrator" // everything
	Operator      UserRole = "operator"      // may switch and sync
	Viewer        UserRole = "viewer"        // may look
)

func (r UserRole) check() error {
	switch r {
	case Administrator, Operator, Viewer:
		return nil
	}
	return pair.RefuseField("role", "%q is not a role: use administrator, operator or viewer", string(r))
}

// User is a person who may sign in.
type User struct {
	Name        string    `json:"name"`
	DisplayName string    `json:"display_name"`
	Mail        string    `json:"mail"` // empty if none
	Role        UserRole  `json:"role"`
	Disabled    bool      `json:"disabled"`
	Created     time.Time `json:"created"`
	LastLogin   time.Time `json:"last_login,omitzero"` // zero: never
	TOTP        bool      `json:"totp"`                // a one-time code is asked for besides the password
	Version     int64     `json:"version"`             // rises with every UpdateUser
	// Stamp is another after every change that ends the user's sessions: of the
	// password, the role or the one-time codes, disabling, signing out everywhere.
	Stamp string `json:"-"`
}

// check returns every refused field.
func (u User) check() error {
	var name, display, address error
	if !validName(u.Name, "._@-") {
		name = pair.RefuseField("name", "%q is not a user name: use 1 to 63 letters, digits, dots, dashes or underscores", u.Name)
	}
	if len(u.DisplayName) > 200 {
		display = pair.RefuseField("display_name", "use at most 200 characters")
	}
	if parsed, err := mail.ParseAddress(u.Mail); u.Mail != "" && (err != nil || parsed.Address != u.Mail) {
		address = pair.RefuseField("mail", "%q is not a mail address: write it like name@example.org", u.Mail)
	}
	return errors.Join(name, display, address, u.Role.check())
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

// CheckUser refuses what AddUser would refuse of a person, every field at once,
// and adds nothing.
func (s *Site) CheckUser(ctx context.Context, user User) error {
	_, err := findUser(ctx, s.reader, user.Name)
	switch {
	case err == nil:
		err = userExists(user.Name)
	case pair.CodeOf(err) == pair.NotFound:
		err = nil
	}
	return errors.Join(err, user.check())
}

func userExists(name string) error {
	return pair.Refuse(pair.Refused, "there is already a user %q: choose another name", name).At("name")
}

// AddUser adds a person; Created is set here; pair.Refused: the name is taken.
func (s *Site) AddUser(ctx context.Context, user User, password string) error {
	if err := errors.Join(user.check(), checkPassword(password)); err != nil {
		return err
	}
	phc, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.write(ctx, "add the user", func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `INSERT INTO user (name, display_name, mail, password, role, disabled, created)
			VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING`,
			user.Name, user.DisplayName, user.Mail, phc, user.Role, user.Disabled, s.now().UnixMilli())
		return affected(result, err, userExists(user.Name))
	})
}

// affected returns otherwise if a statement touched no row.
func affected(result sql.Result, err, otherwise error) error {
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); n > 0 || err != nil {
		return err
	}
	return otherwise
}

func noUser(name string) error {
	return pair.Refuse(pair.NotFound, "there is no user %q: list them with baton user list", name)
}

// UpdateUser changes a person's display name, mail and role. It refuses with
// pair.Stale if the version is no longer user.Version; 0 means any.
func (s *Site) UpdateUser(ctx context.Context, user User) error {
	if err := user.check(); err != nil {
		return err
	}
	return s.write(ctx, "change the user", func(tx *sql.Tx) error {
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

// keepAdministrator refuses a change that leaves nobody who may do everything,
// made to a user who was as before tells.
func keepAdministrator(ctx context.Context, tx *sql.Tx, before User) error {
	if before.Role != Administrator || before.Disabled {
		return nil // it was none of them
	}
	var administrators int
	row := tx.QueryRowContext(ctx, `SELECT count(*) FROM user WHERE role = ? AND NOT disabled`, Administrator)
	if err := row.Scan(&administrators); err != nil {
		return err
	}
	if administrators == 0 {
		return pair.Refuse(pair.Refused, "%s is the last administrator: add or enable another one first", before.Name)
	}
	return nil
}

// SetPassword changes a password.
func (s *Site) SetPassword(ctx context.Context, name, password string) error {
	if err := checkPassword(password); err != nil {
		return err
	}
	phc, err := s.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.write(ctx, "change the password", func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE user SET password = ? WHERE name = ?`, phc, name)
		return affected(result, err, noUser(name))
	})
}

// Disable bars a user from signing in, and ends the user's sessions: enabling the
// user again does not bring them back. The last administrator cannot be barred.
func (s *Site) Disable(ctx context.Context, name string) error {
	return s.write(ctx, "disable the user", func(tx *sql.Tx) error {
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
func (s *Site) Enable(ctx context.Context, name string) error {
	return s.write(ctx, "enable the user", func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE user SET disabled = 0 WHERE name = ?`, name)
		return affected(result, err, noUser(name))
	})
}

const userColumns = `name, display_name, mail, role, disabled, created, last_login, version, password, totp, sign_outs`

func scanUser(row scanner) (User, secrets, error) {
	var user User
	var kept secrets
	var created, login sql.NullInt64
	err := row.Scan(&user.Name, &user.DisplayName, &user.Mail, &user.Role, &user.Disabled, &created, &login,
		&user.Version, &kept.password, &kept.totp, &kept.signOuts)
	user.Created, user.LastLogin = fromMillis(created), fromMillis(login)
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
func (k secrets) stamp(user User) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %t %q %d", k.password, user.Role, user.Disabled, k.totp, k.signOuts))
	return hex.EncodeToString(sum[:16])
}

// User returns one person.
func (s *Site) User(ctx context.Context, name string) (User, error) {
	user, err := findUser(ctx, s.reader, name)
	return user, s.explain("look up the user", err)
}

func findUser(ctx context.Context, from querier, name string) (User, error) {
	user, _, err := scanUser(from.QueryRowContext(ctx, `SELECT `+userColumns+` FROM user WHERE name = ?`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, noUser(name)
	}
	return user, err
}

// Users lists everybody, by name.
func (s *Site) Users(ctx context.Context) ([]User, error) {
	users := []User{}
	rows, err := s.reader.QueryContext(ctx, `SELECT `+userColumns+` FROM user ORDER BY name`)
	err = each(rows, err, func(row scanner) error {
		user, _, err := scanUser(row)
		users = append(users, user)
		return err
	})
	return users, s.explain("list the users", err)
}
