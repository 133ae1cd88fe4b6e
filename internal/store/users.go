package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"net/mail"
	"strings"
	"time"
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
	return refuseField("role", "%q is not a role: use administrator, operator or viewer", string(r))
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
}

func (u User) check() error {
	if !validName(u.Name, "._@-") {
		return refuseField("name", "%q is not a user name: use 1 to 63 lower-case letters, digits, dots, dashes or underscores", u.Name)
	}
	if len(u.DisplayName) > 200 {
		return refuseField("display_name", "use at most 200 characters")
	}
	if address, err := mail.ParseAddress(u.Mail); u.Mail != "" && (err != nil || address.Address != u.Mail) {
		return refuseField("mail", "%q is not a mail address: write it like name@example.org", u.Mail)
	}
	return u.Role.check()
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

// AddUser adds a person; Created is set here. ErrExists: the name is taken.
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
		return affected(result, err, refuse(ErrExists, "there is already a user %q: choose another name", user.Name))
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
	return refuse(ErrNotFound, "there is no user %q: list them with baton user list", name)
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

// Disable bars a user from signing in. The last administrator cannot be barred.
func (s *Site) Disable(ctx context.Context, name string) error {
	return s.write(ctx, "disable the user", func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE user SET disabled = 1 WHERE name = ?`, name)
		if err := affected(result, err, noUser(name)); err != nil {
			return err
		}
		var administrators int
		row := tx.QueryRowContext(ctx, `SELECT count(*) FROM user WHERE role = ? AND NOT disabled`, Administrator)
		if err := row.Scan(&administrators); err != nil {
			return err
		}
		if administrators == 0 {
			return refuse(ErrRefused, "%s is the last administrator: add or enable another one first", name)
		}
		return nil
	})
}

// Enable lets a disabled user sign in again.
func (s *Site) Enable(ctx context.Context, name string) error {
	return s.write(ctx, "enable the user", func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE user SET disabled = 0 WHERE name = ?`, name)
		return affected(result, err, noUser(name))
	})
}

const userColumns = `name, display_name, mail, role, disabled, created, last_login`

func scanUser(row scanner, more ...any) (User, error) {
	var user User
	var created, login sql.NullInt64
	into := []any{&user.Name, &user.DisplayName, &user.Mail, &user.Role, &user.Disabled, &created, &login}
	err := row.Scan(append(into, more...)...)
	user.Created, user.LastLogin = fromMillis(created), fromMillis(login)
	return user, err
}

// Users lists everybody, by name.
func (s *Site) Users(ctx context.Context) ([]User, error) {
	users := []User{}
	rows, err := s.reader.QueryContext(ctx, `SELECT `+userColumns+` FROM user ORDER BY name`)
	err = each(rows, err, func(row scanner) error {
		user, err := scanUser(row)
		users = append(users, user)
		return err
	})
	return users, s.explain("list the users", err)
}

// Authenticate returns the user behind a name and a password, or ErrCredentials.
// An unknown or disabled user costs the same time as a wrong password.
func (s *Site) Authenticate(ctx context.Context, name, password string) (User, error) {
	refused := refuse(ErrCredentials, "the user name or the password is wrong")
	var phc string
	row := s.reader.QueryRowContext(ctx, `SELECT `+userColumns+`, password FROM user WHERE name = ?`, name)
	user, err := scanUser(row, &phc)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return User{}, s.explain("look up the user", err)
	}
	right := false
	if len(password) <= maxPassword {
		if err := s.hashSlot(ctx, func() { right = verifyPassword(phc, password) }); err != nil {
			return User{}, err
		}
	}
	if !right || user.Disabled {
		return User{}, refused
	}
	s.noteLogin(ctx, &user)
	return user, nil
}

// noteLogin keeps the time of a sign-in. A full disk must not lock out the
// administrator who comes to free it.
func (s *Site) noteLogin(ctx context.Context, user *User) {
	user.LastLogin = fromMillis(millis(s.now()))
	err := s.write(ctx, "note the sign-in", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE user SET last_login = ? WHERE name = ?`, millis(user.LastLogin), user.Name)
		return err
	})
	if err != nil {
		s.log.Warn("sign-in not noted", slog.String("user", user.Name), slog.Any("error", err))
	}
}

func (s *Site) hash(ctx context.Context, password string) (phc string, err error) {
	err = s.hashSlot(ctx, func() { phc = hashPassword(password) })
	return phc, err
}

// hashSlot runs work once one of the few slots for password hashes is free.
func (s *Site) hashSlot(ctx context.Context, work func()) error {
	select {
	case s.hashing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.hashing }()
	work()
	return nil
}
