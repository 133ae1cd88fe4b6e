package app

import (
	"context"
	"errors"
	"unicode/utf8"

	"baton/internal/act"
	"baton/internal/pair"
)

// Users implements api.Users.
func (b *backend) Users(ctx context.Context) ([]pair.User, error) {
	users, err := b.site.Users(ctx)
	return users, act.Failure(err)
}

// AddUser implements api.Users.
func (b *backend) AddUser(ctx context.Context, user pair.NewUser) error {
	user.Name = pair.UserName(user.Name)
	return b.lead.ChangeFor(ctx, "added user "+user.Name, func() error {
		if err := b.CheckUser(ctx, user); err != nil {
			return err
		}
		return b.site.AddUser(ctx, user)
	})
}

// CheckUser implements api.Users.
func (b *backend) CheckUser(ctx context.Context, user pair.NewUser) error {
	user.Name = pair.UserName(user.Name)
	return act.Failure(errors.Join(b.site.CheckUser(ctx, user), b.goodPassword(user.Password)))
}

// goodPassword holds a new password to the rule of the Security page, and refuses
// one that its owner could not type.
func (b *backend) goodPassword(password string) error {
	if least := b.security.Get().PasswordLength; utf8.RuneCountInString(password) < least {
		return pair.RefuseField("password", "use %d characters or more", least)
	}
	if err := pair.CheckSeen("the password", password); err != nil {
		return pair.RefuseField("password", "%s", err)
	}
	return nil
}

// UpdateUser implements api.Users.
func (b *backend) UpdateUser(ctx context.Context, change pair.UserChange) error {
	change.Name = pair.UserName(change.Name)
	before, err := b.site.User(ctx, change.Name)
	if err != nil {
		return act.Failure(err)
	}
	changes := pair.Changes(before.Change(), change)
	what := "saved user " + change.Name + " as it was"
	if len(changes) > 0 {
		what = "changed user " + change.Name + ": " + pair.ChangesText(changes)
	}
	return b.lead.ChangeFor(ctx, what, func() error { return b.site.UpdateUser(ctx, change) })
}

// SetPassword implements api.Users.
func (b *backend) SetPassword(ctx context.Context, name, password string) error {
	name = pair.UserName(name)
	defer b.gate.forget(name)
	return b.lead.ChangeFor(ctx, "set the password of "+name, func() error {
		if err := b.goodPassword(password); err != nil {
			return err
		}
		return b.site.SetPassword(ctx, name, password)
	})
}

// DisableUser implements api.Users.
func (b *backend) DisableUser(ctx context.Context, name string) error {
	name = pair.UserName(name)
	return b.lead.ChangeFor(ctx, "disabled user "+name, func() error { return b.site.Disable(ctx, name) })
}

// EnableUser implements api.Users.
func (b *backend) EnableUser(ctx context.Context, name string) error {
	name = pair.UserName(name)
	return b.lead.ChangeFor(ctx, "enabled user "+name, func() error { return b.site.Enable(ctx, name) })
}

// ResetTOTP implements api.Users.
func (b *backend) ResetTOTP(ctx context.Context, name string) error {
	name = pair.UserName(name)
	defer b.gate.forget(name)
	return b.lead.ChangeFor(ctx, "turned off one-time codes for "+name, func() error { return b.site.ClearTOTP(ctx, name) })
}
