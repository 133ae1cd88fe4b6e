package api

import (
	"context"

	"baton/internal/pair"
)

// Users keeps the accounts.
type Users interface {
	Users(ctx context.Context) ([]pair.User, error)
	AddUser(ctx context.Context, user pair.NewUser) error
	// CheckUser refuses what AddUser would refuse, every field at once, and adds
	// nothing.
	CheckUser(ctx context.Context, user pair.NewUser) error
	// UpdateUser saves what was derived from user.Version; pair.Stale if that is no
	// longer the newest. 0: whatever the version.
	UpdateUser(ctx context.Context, user pair.UserChange) error
	SetPassword(ctx context.Context, name, password string) error
	DisableUser(ctx context.Context, name string) error
	EnableUser(ctx context.Context, name string) error
	// ResetTOTP makes a user's password enough again, as when the device that
	// makes the codes is lost.
	ResetTOTP(ctx context.Context, name string) error
}

// ListUsers lists the accounts.
func ListUsers() Op[Users, None, []pair.User] {
	return ask(get("/users", "users", pair.Administrator, "Accounts"), Users.Users)
}

// AddUser makes an account.
func AddUser() Op[Users, pair.NewUser, None] {
	return orderWith(post("/users", "add-user", pair.Administrator, "Make an account"), Users.AddUser)
}

// ChangeUser changes an account's display name, mail and role.
func ChangeUser() Op[Users, Named[pair.UserChange], None] {
	return orderBy(put("/users/{name}", "change-user", pair.Administrator, "Change an account's display name, mail and role"),
		func(u Users, ctx context.Context, change Named[pair.UserChange]) error {
			change.Body.Name = change.Name
			return u.UpdateUser(ctx, change.Body)
		})
}

// ResetTOTP makes an account's password enough again.
func ResetTOTP() Op[Users, string, None] {
	return orderName(del("/users/{name}/totp", "reset-totp", pair.Administrator, "Ask an account for its password only, no one-time code"), Users.ResetTOTP)
}

// SetPassword sets an account's password.
func SetPassword() Op[Users, Named[PasswordText], None] {
	return orderBy(put("/users/{name}/password", "set-password", pair.Administrator, "Set a password"),
		func(u Users, ctx context.Context, change Named[PasswordText]) error {
			return u.SetPassword(ctx, change.Name, change.Body.Password)
		})
}

// DisableUser lets an account sign in no longer.
func DisableUser() Op[Users, string, None] {
	return orderName(post("/users/{name}/disable", "disable-user", pair.Administrator, "Let an account sign in no longer"), Users.DisableUser)
}

// EnableUser lets a disabled account sign in again.
func EnableUser() Op[Users, string, None] {
	return orderName(post("/users/{name}/enable", "enable-user", pair.Administrator, "Let a disabled account sign in again"), Users.EnableUser)
}

func (s *Server) serveUsers() {
	serve(s, s.backend.Users, ListUsers())
	serve(s, s.backend.Users, AddUser())
	serve(s, s.backend.Users, ChangeUser())
	serve(s, s.backend.Users, ResetTOTP())
	serve(s, s.backend.Users, SetPassword())
	serve(s, s.backend.Users, DisableUser())
	serve(s, s.backend.Users, EnableUser())
}

// PasswordText is a password.
type PasswordText struct {
	Password string `json:"password" minLength:"1" maxLength:"1024"`
}
