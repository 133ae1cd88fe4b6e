package api

import (
	"context"
	"crypto/subtle"
	"strings"

	"baton/internal/guesses"
	"baton/internal/pair"
)

// Setup makes the first administrator.
type Setup interface {
	// SetupToken returns the one-time token; empty once any user exists.
	SetupToken(ctx context.Context) (string, error)
	// SetUp makes the first administrator and spends the token; Refused if any
	// user exists.
	SetUp(ctx context.Context, user pair.NewUser) error
}

// GetSetup tells whether the first administrator is still to be made.
func GetSetup() Op[Setup, None, SetupState] {
	return ask(get("/setup", "setup-state", pair.Administrator, "Whether the first administrator is still to be made, and with which token"),
		func(s Setup, ctx context.Context) (SetupState, error) {
			token, err := s.SetupToken(ctx)
			return SetupState{Needed: token != "", Token: token}, err
		})
}

// SetUp makes the first administrator.
func SetUp() Op[*Server, SetupRequest, None] {
	return orderWith(post("/setup", "setup", SetupOnly, "Make the first administrator"), (*Server).setUp)
}

func (s *Server) serveSetup() {
	serve(s, s.backend.Setup, GetSetup())
	serve(s, s, SetUp())
}

// SetupState tells whether the first administrator is still to be made.
type SetupState struct {
	Needed bool   `json:"needed"`
	Token  string `json:"token,omitempty" doc:"One-time setup token, while setup is needed"`
}

// SetupRequest makes the first administrator. Over the local socket no token is
// needed.
type SetupRequest struct {
	User     string `json:"user" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._@-]*$" patternDescription:"letters, digits, and . _ @ - after the first"`
	Password string `json:"password" minLength:"1" maxLength:"1024"`
	Token    string `json:"token,omitempty" maxLength:"200" doc:"One-time setup token, from the log or baton setup"`
}

// setUp makes the first administrator if the caller may.
func (s *Server) setUp(ctx context.Context, request SetupRequest) error {
	if err := s.checkSetupToken(ctx, request.Token); err != nil {
		return err
	}
	return s.backend.Setup.SetUp(ctx, pair.NewUser{Name: request.User, Role: pair.Administrator, Password: request.Password})
}

// checkSetupToken lets the local socket pass, and from the network callers with the
// one-time token.
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
	s.guesses.Failed(guesses.SourceOf(remoteAddress(exchangeFrom(ctx).r)))
	return pair.Refuse(pair.Unauthorized, "this is not the setup token: read it in the appliance's log, or run baton setup there")
}

// SameSetupToken compares what somebody typed or pasted with the one-time setup
// token, in constant time. The token is one of small letters and digits: capitals
// and space around it are no difference.
func SameSetupToken(typed, token string) bool {
	typed = strings.ToLower(strings.TrimSpace(typed))
	return token != "" && subtle.ConstantTimeCompare([]byte(typed), []byte(token)) == 1
}
