package api

import (
	"context"
	"net/http"

	"baton/internal/pair"
)

// SetupRequest makes the first administrator. Over the local socket no token is
// needed.
type SetupRequest struct {
	User     string `json:"user" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._@-]*$" patternDescription:"letters, digits, and . _ @ - after the first"`
	Password string `json:"password" minLength:"1" maxLength:"1024"`
	Token    string `json:"token,omitempty" maxLength:"200" doc:"One-time setup token, from the log or baton setup"`
}

func (s *Server) addSetup() {
	add(s, endpoint{method: http.MethodGet, path: "/setup", name: "setup-state", least: pair.Administrator, summary: "Whether the first administrator is still to be made, and with which token"},
		func(ctx context.Context, _ *none) (*answer[SetupState], error) {
			token, err := s.backend.Setup.SetupToken(ctx)
			return one(SetupState{Needed: token != "", Token: token}, err)
		})
	add(s, endpoint{method: http.MethodPost, path: "/setup", name: "setup", least: SetupOnly, summary: "Make the first administrator"},
		func(ctx context.Context, in *question[SetupRequest]) (*none, error) {
			if err := s.checkSetupToken(ctx, in.Body.Token); err != nil {
				return nil, err
			}
			return done(s.backend.Setup.SetUp(ctx, pair.NewUser{Name: in.Body.User, Role: pair.Administrator, Password: in.Body.Password}))
		})
}

// checkSetupToken lets the local socket pass, and from the network whoever knows
// the one-time token.
func (s *Server) checkSetupToken(ctx context.Context, token string) error {
	if caller, _ := CallerFrom(ctx); caller.Local {
		return nil
	}
	expected, err := s.backend.Setup.SetupToken(ctx)
	if err != nil {
		return err
	}
	if expected == "" {
		return pair.Refuse(pair.Refused, "setup is done already: sign in, or ask an administrator for an account")
	}
	if SameSetupToken(token, expected) {
		return nil
	}
	s.guesses.Failed(SourceOf(remoteAddress(exchangeFrom(ctx).r)))
	return pair.Refuse(pair.Unauthorized, "this is not the setup token: read it in the appliance's log, or run baton setup there")
}
