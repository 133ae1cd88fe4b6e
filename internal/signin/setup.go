package signin

import (
	"context"
	"sync"

	"baton/internal/act"
	"baton/internal/pair"
)

// Setup implements api.Setup.
type Setup struct {
	*people

	users *Users
	token string
	once  sync.Mutex // two that know the token add one administrator
}

// SetupToken implements api.Setup.
func (s *Setup) SetupToken(ctx context.Context) (string, error) {
	users, err := s.store.Users.List(ctx)
	if err != nil || len(users) > 0 {
		return "", act.Failure(err)
	}
	return s.token, nil
}

// SetUp implements api.Setup.
func (s *Setup) SetUp(ctx context.Context, user pair.NewUser) error {
	s.once.Lock()
	defer s.once.Unlock()
	users, err := s.store.Users.List(ctx)
	switch {
	case err != nil:
		return act.Failure(err)
	case len(users) > 0:
		return pair.Refuse(pair.Refused, "there is an administrator already: sign in, or add users with baton user add")
	}
	user.Role = pair.Administrator
	return s.users.AddUser(ctx, user)
}
