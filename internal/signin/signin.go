package signin

import (
	"context"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/pair"
)

// SignIn implements api.SignIn.
type SignIn struct{ *people }

// SignIn implements api.SignIn.
func (s *SignIn) SignIn(ctx context.Context, in api.Credentials) (api.Ticket, error) {
	user, err := s.prove(ctx, in.Name, in.Password, s.store.Users.Authenticate)
	if err != nil {
		return api.Ticket{}, err
	}
	ticket := ticketOf(user)
	if user.TOTP {
		ticket.CodeNeeded = true
		return ticket, nil
	}
	s.signedIn(ctx, user.Name, in.Browser)
	return ticket, nil
}

func ticketOf(user pair.User) api.Ticket { return api.Ticket{User: user.Name, Stamp: user.Stamp} }

// SignInWithCode implements api.SignIn.
func (s *SignIn) SignInWithCode(ctx context.Context, session api.SignedIn, code string) (api.Ticket, error) {
	name := session.Account.Name
	failed, end, err := s.gate.beginCode(name, source(ctx))
	if err != nil {
		return api.Ticket{}, err
	}
	defer end()
	err = s.store.Users.CheckCode(ctx, name, code)
	if pair.CodeOf(err) == pair.Unauthorized {
		failed()
		s.failed(ctx, name, "the password was right, the code was not")
	}
	if err != nil {
		return api.Ticket{}, act.Failure(err)
	}
	user, err := s.store.Users.Get(ctx, name)
	if err != nil {
		return api.Ticket{}, act.Failure(err)
	}
	s.signedIn(ctx, name, session.Browser)
	return ticketOf(user), nil
}
