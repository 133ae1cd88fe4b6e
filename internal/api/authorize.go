package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"baton/internal/guesses"
	"baton/internal/pair"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// exchange is the HTTP request itself, for the few routes that need it.
type exchange struct {
	r       *http.Request
	allowed func() error // whether its caller may still do that
}

type exchangeKey struct{}

func exchangeFrom(ctx context.Context) exchange {
	x, _ := ctx.Value(exchangeKey{}).(exchange)
	return x
}

// authorize lets a request through to its operation if its caller may do that.
func (s *Server) authorize(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	caller, err := s.identify(r, ctx.Operation())
	if err != nil {
		p := problemOf(s.log, err)
		switch p.Status {
		case http.StatusUnauthorized:
			w.Header().Set("WWW-Authenticate", `Bearer realm="baton"`)
		case http.StatusTooManyRequests:
			w.Header().Set("Retry-After", "60")
		}
		p.write(w)
		return
	}
	inner := context.WithValue(WithCaller(ctx.Context(), caller), exchangeKey{}, exchange{r: r, allowed: func() error {
		_, err := s.identify(r, ctx.Operation())
		return err
	}})
	next(huma.WithContext(ctx, inner))
}

// identify returns who asks, once it is certain that they may do op.
func (s *Server) identify(r *http.Request, op *huma.Operation) (Caller, error) {
	least, err := leastOf(op)
	if err != nil {
		return Caller{}, err
	}
	if caller, known := CallerFrom(r.Context()); known && caller.Local {
		return caller, nil
	}
	from := remoteAddress(r)
	if !s.backend.Security.Admits(from) {
		return Caller{}, pair.Refuse(pair.Forbidden, "this address may not use the API: ask an administrator to add it to the allowed networks on the Security page")
	}
	if !s.guesses.Allowed(guesses.SourceOf(from)) {
		return Caller{}, pair.Refuse(pair.TooMany, "too many failed sign-ins from this address: wait a minute and check the token")
	}
	if least == SetupOnly {
		return Caller{Name: "setup", From: from.String()}, nil
	}
	caller, err := s.authenticate(r, from)
	if err != nil {
		return Caller{}, err
	}
	if !caller.Access.Covers(least) {
		return Caller{}, pair.Refuse(pair.Forbidden, "this token is a %s's, and this needs the role %s: use another token", caller.Access, least)
	}
	return caller, nil
}

func (s *Server) authenticate(r *http.Request, from netip.Addr) (Caller, error) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || secret == "" {
		return Caller{}, pair.Refuse(pair.Unauthorized, "a token is needed: make one with baton token create and send it as Authorization: Bearer TOKEN")
	}
	caller, err := s.backend.Tokens.Authenticate(r.Context(), secret)
	if err != nil {
		if pair.CodeOf(err) == pair.Unauthorized {
			s.guesses.Failed(guesses.SourceOf(from))
			s.log.Warn("token refused", slog.String("from", from.String()))
		}
		return Caller{}, err
	}
	caller.From, caller.Local = from.String(), false
	return caller, nil
}

// remoteAddress returns the client's address as the connection has it. Headers
// that proxies set are not believed.
func remoteAddress(r *http.Request) netip.Addr {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.IPv6Unspecified()
	}
	return from.Addr().Unmap().WithZone("")
}
