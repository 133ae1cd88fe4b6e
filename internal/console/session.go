package console

import (
	"context"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"baton/internal/api"
)

// What a session holds.
const (
	userKey    = "user"    // name of who signed in
	noticeKey  = "notice"  // said once on the next page
	warningKey = "warning" // likewise
)

func newSessions() *scs.SessionManager {
	s := scs.New()
	s.Lifetime = 12 * time.Hour
	s.IdleTimeout = 30 * time.Minute
	s.Cookie.Name = "__Host-baton"
	s.Cookie.Path = "/"
	s.Cookie.Secure = true
	s.Cookie.HttpOnly = true
	s.Cookie.SameSite = http.SameSiteStrictMode
	s.Cookie.Persist = false
	return s
}

// visitor returns who is signed in, with the role of this moment; nobody if the
// account is gone or disabled.
func (c *Console) visitor(r *http.Request) (api.Caller, error) {
	nobody := api.Caller{From: remote(r)}
	name := c.sessions.GetString(r.Context(), userKey)
	if name == "" {
		return nobody, nil
	}
	users, err := c.backend.Users(r.Context())
	if err != nil {
		return nobody, err
	}
	for _, user := range users {
		if user.Name == name && !user.Disabled {
			return api.Caller{Name: name, Access: user.Role, From: remote(r)}, nil
		}
	}
	return nobody, nil
}

// present looks anew at the session of a long request.
func (c *Console) present(r *http.Request) (api.Caller, error) {
	cookie, err := r.Cookie(c.sessions.Cookie.Name)
	if err != nil {
		return api.Caller{From: remote(r)}, nil //nolint:nilerr // without a cookie, nobody is here
	}
	ctx, err := c.sessions.Load(context.WithoutCancel(r.Context()), cookie.Value)
	if err != nil {
		return api.Caller{}, err
	}
	return c.visitor(r.WithContext(ctx))
}
