package api

import (
	"context"
	"net/http"

	"baton/internal/pair"
)

type passwordChange struct {
	Name string `path:"name" maxLength:"64"`
	Body passwordText
}

type userChange struct {
	Name string `path:"name" maxLength:"64"`
	Body pair.UserChange
}

type passwordText struct {
	Password string `json:"password" minLength:"1" maxLength:"1024"`
}

func (s *Server) addUsers() {
	add(s, endpoint{method: http.MethodGet, path: "/users", name: "users", least: pair.Administrator, summary: "Accounts"},
		func(ctx context.Context, _ *none) (*answer[[]pair.User], error) {
			return list(s.backend.Users.Users(ctx))
		})
	add(s, endpoint{method: http.MethodPost, path: "/users", name: "add-user", least: pair.Administrator, status: http.StatusNoContent, summary: "Make an account"},
		func(ctx context.Context, in *question[pair.NewUser]) (*none, error) {
			return done(s.backend.Users.AddUser(ctx, in.Body))
		})
	add(s, endpoint{method: http.MethodPut, path: "/users/{name}", name: "change-user", least: pair.Administrator, summary: "Change an account's display name, mail and role"},
		func(ctx context.Context, in *userChange) (*none, error) {
			in.Body.Name = in.Name
			return done(s.backend.Users.UpdateUser(ctx, in.Body))
		})
	add(s, endpoint{method: http.MethodDelete, path: "/users/{name}/totp", name: "reset-totp", least: pair.Administrator, summary: "Ask an account for its password only, no one-time code"},
		func(ctx context.Context, in *named) (*none, error) {
			return done(s.backend.Users.ResetTOTP(ctx, in.Name))
		})
	add(s, endpoint{method: http.MethodPut, path: "/users/{name}/password", name: "set-password", least: pair.Administrator, summary: "Set a password"},
		func(ctx context.Context, in *passwordChange) (*none, error) {
			return done(s.backend.Users.SetPassword(ctx, in.Name, in.Body.Password))
		})
	add(s, endpoint{method: http.MethodPost, path: "/users/{name}/disable", name: "disable-user", least: pair.Administrator, summary: "Let an account sign in no longer"},
		func(ctx context.Context, in *named) (*none, error) {
			return done(s.backend.Users.DisableUser(ctx, in.Name))
		})
	add(s, endpoint{method: http.MethodPost, path: "/users/{name}/enable", name: "enable-user", least: pair.Administrator, summary: "Let a disabled account sign in again"},
		func(ctx context.Context, in *named) (*none, error) {
			return done(s.backend.Users.EnableUser(ctx, in.Name))
		})
}

func (s *Server) addSessions() {
	add(s, endpoint{method: http.MethodGet, path: "/sessions", name: "sessions", least: pair.Administrator, summary: "Who is signed in to this appliance's console"},
		func(ctx context.Context, _ *none) (*answer[[]Session], error) {
			return list(s.backend.Sessions.Sessions(ctx))
		})
	add(s, endpoint{method: http.MethodDelete, path: "/sessions/{id}", name: "end-session", least: pair.Administrator, summary: "Sign one browser out"},
		func(ctx context.Context, in *identified) (*none, error) {
			return done(s.backend.Sessions.EndSession(ctx, in.ID))
		})
	add(s, endpoint{method: http.MethodDelete, path: "/users/{name}/sessions", name: "sign-out-everywhere", least: pair.Administrator, summary: "Sign an account out everywhere"},
		func(ctx context.Context, in *named) (*none, error) {
			return done(s.backend.Sessions.SignOutEverywhere(ctx, in.Name))
		})
}

func (s *Server) addTokens() {
	add(s, endpoint{method: http.MethodGet, path: "/tokens", name: "tokens", least: pair.Administrator, summary: "API tokens, without their secrets"},
		func(ctx context.Context, _ *none) (*answer[[]pair.Token], error) {
			return list(s.backend.Tokens.Tokens(ctx))
		})
	add(s, endpoint{method: http.MethodPost, path: "/tokens", name: "create-token", least: pair.Administrator, status: http.StatusCreated, summary: "Make an API token; its secret is shown this once"},
		func(ctx context.Context, in *question[pair.NewToken]) (*answer[pair.CreatedToken], error) {
			if expires := in.Body.Expires; !expires.IsZero() && !expires.After(s.options.Now()) {
				return nil, pair.Refuse(pair.Usage, "the token would have expired already: name a later time, or none")
			}
			return one(s.backend.Tokens.CreateToken(ctx, in.Body))
		})
	add(s, endpoint{method: http.MethodDelete, path: "/tokens/{id}", name: "revoke-token", least: pair.Administrator, summary: "End a token at once"},
		func(ctx context.Context, in *identified) (*none, error) {
			return done(s.backend.Tokens.RevokeToken(ctx, in.ID))
		})
}
