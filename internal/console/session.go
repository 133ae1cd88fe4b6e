package console

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/alexedwards/scs/v2"

	"baton/internal/api"
	"baton/internal/pair"
)

// lifetime is when a session ends at the latest, used or not.
const lifetime = 24 * time.Hour

// What a request's session holds: the one that its cookie led to, or the one to
// be begun with its answer.
const (
	foundKey = "found" // api.SignedIn
	begunKey = "begun" // begun
)

// begun is a session that the appliance does not know yet.
type begun struct {
	Ticket  api.Ticket
	Browser string
}

func newSessions(backend api.Backend, log *slog.Logger) *scs.SessionManager {
	s := scs.New()
	s.Lifetime = lifetime
	s.Store = sessions{backend}
	s.Codec = codec{}
	s.HashTokenInStore = true
	s.Cookie = scs.SessionCookie{Name: "__Host-baton", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	s.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		log.Error("session failed", slog.String("path", r.URL.Path), slog.String("error", err.Error()))
		http.Error(w, "The session could not be read or saved: the reason is in the appliance's log. Look there, then try again.", http.StatusInternalServerError)
	}
	return s
}

// begin makes the browser's next requests those of whom a ticket is for. What its
// cookie held so far is worth nothing from now on.
func (v *visit) begin(ticket api.Ticket) error {
	s := v.console.sessions
	if err := s.RenewToken(v.ctx()); err != nil {
		return err
	}
	s.Put(v.ctx(), begunKey, begun{Ticket: ticket, Browser: v.browser()})
	return nil
}

// browser is what the browser names itself.
func (v *visit) browser() string { return v.r.UserAgent() }

// session is the one that the browser's cookie led to; false if it has ended, or
// there was none.
func (c *Console) session(ctx context.Context) (api.SignedIn, bool) {
	found, ok := c.sessions.Get(ctx, foundKey).(api.SignedIn)
	return found, ok
}

// visitor returns who is signed in, with the role of this moment.
func (c *Console) visitor(r *http.Request) api.Caller {
	session, found := c.session(r.Context())
	if !found || session.CodeNeeded {
		return api.Caller{From: remote(r)}
	}
	return api.Caller{Name: session.Account.Name, Access: session.Account.Role, From: remote(r)}
}

// callerNow looks anew at the session of a long request. That is no use of it.
func (c *Console) callerNow(r *http.Request) (api.Caller, error) {
	nobody := api.Caller{From: remote(r)}
	if !c.admits(r) {
		return nobody, nil
	}
	token := ""
	if cookie, err := r.Cookie(c.sessions.Cookie.Name); err == nil {
		token = cookie.Value
	}
	// A context of its own: the request's still holds what was found at first.
	ctx, err := c.sessions.Load(context.Background(), token)
	if err != nil {
		return nobody, err
	}
	return c.visitor(r.WithContext(ctx)), nil
}

// use keeps a session from ending for want of use. A full disk does not turn
// anybody away.
func (v *visit) use() {
	session, found := v.console.session(v.ctx())
	if !found || session.CodeNeeded {
		return
	}
	if err := v.console.backend.Sessions.UseSession(v.ctx(), session); err != nil {
		v.console.log.Warn("use of a session not noted", slog.String("error", err.Error()))
	}
}

// admits reports whether the console answers the address of a request.
func (c *Console) admits(r *http.Request) bool {
	from, err := netip.ParseAddr(remote(r))
	return err == nil && c.backend.Security.Admits(from)
}

// admitted turns away addresses outside the allowed networks, whatever they ask.
func (c *Console) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !c.admits(r) {
			http.Error(w, "This address may not use the console. An administrator can add it to the allowed networks, on the Security page "+
				"or with: baton security set console_networks=...", http.StatusForbidden)
			return
		}
		// So that a session that begins knows from where.
		next.ServeHTTP(w, r.WithContext(api.WithCaller(r.Context(), api.Caller{From: remote(r)})))
	})
}

// codec hands sessions to and from scs, which takes bytes.
type codec struct{}

// Encode implements scs.Codec.
func (codec) Encode(_ time.Time, values map[string]any) ([]byte, error) {
	made, ok := values[begunKey].(begun)
	if !ok {
		return nil, errors.New("only a sign-in begins a session")
	}
	return json.Marshal(made)
}

// Decode implements scs.Codec.
func (codec) Decode(text []byte) (time.Time, map[string]any, error) {
	var found api.SignedIn
	err := json.Unmarshal(text, &found)
	return found.Expires, map[string]any{foundKey: found}, err
}

// The appliance keeps sessions. Scs hands over hashes of the tokens.
type sessions struct{ backend api.Backend }

// FindCtx implements scs.CtxStore.
func (s sessions) FindCtx(ctx context.Context, id string) ([]byte, bool, error) {
	found, err := s.backend.Sessions.Session(ctx, id)
	if pair.CodeOf(err) == pair.Unauthorized {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	text, err := json.Marshal(found)
	return text, true, err
}

// CommitCtx implements scs.CtxStore.
func (s sessions) CommitCtx(ctx context.Context, id string, text []byte, expires time.Time) error {
	var made begun
	if err := json.Unmarshal(text, &made); err != nil {
		return err
	}
	return s.backend.Sessions.BeginSession(ctx, api.NewSession{ID: id, Ticket: made.Ticket, Browser: made.Browser, Expires: expires})
}

// DeleteCtx implements scs.CtxStore.
func (s sessions) DeleteCtx(ctx context.Context, id string) error {
	return s.backend.Sessions.ForgetSession(ctx, id)
}

// Find implements scs.Store.
func (s sessions) Find(id string) ([]byte, bool, error) { return s.FindCtx(context.Background(), id) }

// Commit implements scs.Store.
func (s sessions) Commit(id string, text []byte, expires time.Time) error {
	return s.CommitCtx(context.Background(), id, text, expires)
}

// Delete implements scs.Store.
func (s sessions) Delete(id string) error { return s.DeleteCtx(context.Background(), id) }
