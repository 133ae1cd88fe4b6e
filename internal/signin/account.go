package signin

import (
	"context"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/store/credential"
)

// Account implements api.Account.
type Account struct {
	*people

	users *Users
}

// ChangePassword implements api.Account.
func (a *Account) ChangePassword(ctx context.Context, name, old, password string) (api.Ticket, error) {
	if err := a.lead.Check(); err != nil {
		return api.Ticket{}, err
	}
	if err := a.proveAgain(ctx, name, old, "old"); err != nil {
		return api.Ticket{}, err
	}
	if err := a.users.SetPassword(ctx, name, password); err != nil {
		return api.Ticket{}, err
	}
	return a.newTicket(ctx, name)
}

// proveAgain asks somebody who is signed in for the password, so that a browser
// left alone is not enough.
func (a *Account) proveAgain(ctx context.Context, name, password, field string) error {
	_, err := a.prove(ctx, name, password, a.store.Users.AuthenticateAgain)
	if pair.CodeOf(err) == pair.Unauthorized {
		return pair.RefuseField(field, "this is not your password")
	}
	return err
}

func (a *Account) newTicket(ctx context.Context, name string) (api.Ticket, error) {
	user, err := a.store.Users.Get(ctx, name)
	return ticketOf(user), act.Failure(err)
}

// NewTOTP implements api.Account.
func (a *Account) NewTOTP(_ context.Context, name string) (api.TOTPKey, error) {
	if err := a.lead.Check(); err != nil {
		return api.TOTPKey{}, err
	}
	key, err := credential.NewTOTP("Baton "+a.name, name)
	return api.TOTPKey{Secret: key.Secret, URL: key.URL}, err
}

// EnableTOTP implements api.Account.
func (a *Account) EnableTOTP(ctx context.Context, name string, shown api.TOTPProof) (recovery []string, ticket api.Ticket, err error) {
	if err := a.lead.Check(); err != nil {
		return nil, api.Ticket{}, err
	}
	user, err := a.store.Users.Get(ctx, name)
	if err != nil {
		return nil, api.Ticket{}, act.Failure(err)
	}
	if user.TOTP { // turning them off asks for the password; nobody gets around that by replacing them
		return nil, api.Ticket{}, pair.Refuse(pair.Refused, "one-time codes are on already: turn them off on the account page first")
	}
	if err := a.proveAgain(ctx, name, shown.Password, "password"); err != nil {
		return nil, api.Ticket{}, err
	}
	defer a.gate.forget(name)
	err = a.lead.ChangeFor(ctx, "turned on one-time codes for "+name, func() (err error) {
		recovery, err = a.store.Users.SetTOTP(ctx, name, shown.Secret, shown.Code)
		return err
	})
	if err != nil {
		return nil, api.Ticket{}, err
	}
	ticket, err = a.newTicket(ctx, name)
	return recovery, ticket, err
}

// DisableTOTP implements api.Account.
func (a *Account) DisableTOTP(ctx context.Context, name, password string) (api.Ticket, error) {
	if err := a.lead.Check(); err != nil {
		return api.Ticket{}, err
	}
	if err := a.proveAgain(ctx, name, password, "password"); err != nil {
		return api.Ticket{}, err
	}
	if err := a.users.ResetTOTP(ctx, name); err != nil {
		return api.Ticket{}, err
	}
	return a.newTicket(ctx, name)
}

// RecoveryCodes implements api.Account.
func (a *Account) RecoveryCodes(ctx context.Context, name string) (int, error) {
	left, err := a.store.Users.RecoveryLeft(ctx, name)
	return left, act.Failure(err)
}
