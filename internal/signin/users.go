package signin

import (
	"context"
	"errors"

	"baton/internal/act"
	"baton/internal/pair"
)

// Users implements api.Users.
type Users struct{ *people }

// Users implements api.Users.
func (u *Users) Users(ctx context.Context) ([]pair.User, error) {
	users, err := u.store.Users.List(ctx)
	return users, act.Failure(err)
}

// AddUser implements api.Users.
func (u *Users) AddUser(ctx context.Context, user pair.NewUser) error {
	user.Name = pair.UserName(user.Name)
	return u.lead.ChangeFor(ctx, "added user "+user.Name, func() error {
		if err := u.CheckUser(ctx, user); err != nil {
			return err
		}
		return u.store.Users.Add(ctx, user)
	})
}

// CheckUser implements api.Users.
func (u *Users) CheckUser(ctx context.Context, user pair.NewUser) error {
	user.Name = pair.UserName(user.Name)
	return act.Failure(errors.Join(u.store.Users.Check(ctx, user), u.goodPassword(user.Password)))
}

// UpdateUser implements api.Users.
func (u *Users) UpdateUser(ctx context.Context, change pair.UserChange) error {
	change.Name = pair.UserName(change.Name)
	before, err := u.store.Users.Get(ctx, change.Name)
	if err != nil {
		return act.Failure(err)
	}
	changes := pair.Changes(before.Change(), change)
	what := "saved user " + change.Name + " as it was"
	if len(changes) > 0 {
		what = "changed user " + change.Name + ": " + pair.ChangesText(changes)
	}
	return u.lead.ChangeFor(ctx, what, func() error { return u.store.Users.Update(ctx, change) })
}

// SetPassword implements api.Users.
func (u *Users) SetPassword(ctx context.Context, name, password string) error {
	name = pair.UserName(name)
	defer u.gate.forget(name)
	return u.lead.ChangeFor(ctx, "set the password of "+name, func() error {
		if err := u.goodPassword(password); err != nil {
			return err
		}
		return u.store.Users.SetPassword(ctx, name, password)
	})
}

// DisableUser implements api.Users.
func (u *Users) DisableUser(ctx context.Context, name string) error {
	name = pair.UserName(name)
	return u.lead.ChangeFor(ctx, "disabled user "+name, func() error { return u.store.Users.Disable(ctx, name) })
}

// EnableUser implements api.Users.
func (u *Users) EnableUser(ctx context.Context, name string) error {
	name = pair.UserName(name)
	return u.lead.ChangeFor(ctx, "enabled user "+name, func() error { return u.store.Users.Enable(ctx, name) })
}

// ResetTOTP implements api.Users.
func (u *Users) ResetTOTP(ctx context.Context, name string) error {
	name = pair.UserName(name)
	defer u.gate.forget(name)
	return u.lead.ChangeFor(ctx, "turned off one-time codes for "+name, func() error { return u.store.Users.ClearTOTP(ctx, name) })
}
