package page

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

// SessionCookie is the name of the cookie with a session's token.
const SessionCookie = "__Host-baton"

// What a request's session holds: the one of its cookie, or the one that begins with
// its answer.
const (
	currentKey = "current" // api.SignedIn
	newKey     = "new"     // newSession
)

// newSession is a session that the appliance does not know yet.
type newSession struct {
	Ticket  api.Ticket
	Browser string
}

func newSessions(backend api.Sessions, log *slog.Logger) *scs.SessionManager {
	s := scs.New()
	s.Lifetime = lifetime
	s.Store = sessionStore{backend}
	s.Codec = codec{}
	s.HashTokenInStore = true
	s.Cookie = scs.SessionCookie{Name: SessionCookie, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	s.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		log.Error("session failed", slog.String("path", r.URL.Path), slog.String("error", err.Error()))
		http.Error(w, "The session could not be read or saved: the reason is in the appliance's log. Look there, then try again.", http.StatusInternalServerError)
	}
	return s
}

// Begin makes the browser's next requests those of the user of a ticket. The cookie that
// it had is worth nothing from now on.
func (v *Visit) Begin(ticket api.Ticket) error {
	s := v.server.sessions
	if err := s.RenewToken(v.Context()); err != nil {
		return err
	}
	s.Put(v.Context(), newKey, newSession{Ticket: ticket, Browser: v.Browser()})
	return nil
}

// Browser is what the browser names itself.
func (v *Visit) Browser() string { return v.Request.UserAgent() }

// Session is that of the browser's cookie; false if it has ended, or there was none.
func (v *Visit) Session() (api.SignedIn, bool) { return v.server.session(v.Context()) }

// ForgetSession makes the browser forget its session, which has ended, and leads to the
// sign-in.
func (v *Visit) ForgetSession() error {
	if err := v.server.sessions.Destroy(v.Context()); err != nil {
		return err
	}
	return v.Leave("")
}

func (s *Server) session(ctx context.Context) (api.SignedIn, bool) {
	session, ok := s.sessions.Get(ctx, currentKey).(api.SignedIn)
	return session, ok
}

// visitor returns who is signed in, with their present role.
func (s *Server) visitor(r *http.Request) api.Caller {
	session, ok := s.session(r.Context())
	if !ok || session.CodeNeeded {
		return api.Caller{From: remote(r)}
	}
	return api.Caller{Name: session.Account.Name, Access: session.Account.Role, From: remote(r)}
}

// callerNow reads the session of a long request again, which does not count as use.
func (s *Server) callerNow(r *http.Request) (api.Caller, error) {
	nobody := api.Caller{From: remote(r)}
	if !s.admits(r) {
		return nobody, nil
	}
	token := ""
	if cookie, err := r.Cookie(s.sessions.Cookie.Name); err == nil {
		token = cookie.Value
	}
	// In a context of its own: that of the request still holds the session as it was.
	ctx, err := s.sessions.Load(context.Background(), token)
	if err != nil {
		return nobody, err
	}
	return s.visitor(r.WithContext(ctx)), nil
}

// use notes that the session is used, so that it does not time out. If that cannot be
// saved, as on a full disk, the visitor may go on.
func (v *Visit) use() {
	session, ok := v.Session()
	if !ok || session.CodeNeeded {
		return
	}
	if err := v.server.backend.Sessions.UseSession(v.Context(), session); err != nil {
		v.server.log.Warn("use of a session not noted", slog.String("error", err.Error()))
	}
}

// admits reports whether the console answers the address of a request.
func (s *Server) admits(r *http.Request) bool {
	from, err := netip.ParseAddr(remote(r))
	return err == nil && s.backend.Security.Admits(from)
}

// admitted turns away addresses outside the allowed networks, whatever they ask.
func (s *Server) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.admits(r) {
			http.Error(w, "This address may not use the console. An administrator can add it to the allowed networks, on the Security page "+
				"or with: baton security set console_networks=...", http.StatusForbidden)
			return
		}
		// A session that begins keeps the address.
		next.ServeHTTP(w, r.WithContext(api.WithCaller(r.Context(), api.Caller{From: remote(r)})))
	})
}

// codec hands sessions to and from scs, which takes bytes.
type codec struct{}

// Encode implements scs.Codec.
func (codec) Encode(_ time.Time, values map[string]any) ([]byte, error) {
	session, ok := values[newKey].(newSession)
	if !ok {
		return nil, errors.New("only a sign-in begins a session")
	}
	return json.Marshal(session)
}

// Decode implements scs.Codec.
func (codec) Decode(text []byte) (time.Time, map[string]any, error) {
	var session api.SignedIn
	err := json.Unmarshal(text, &session)
	return session.Expires, map[string]any{currentKey: session}, err
}

// sessionStore has the appliance keep the sessions. Scs hands over hashes of the tokens.
type sessionStore struct{ backend api.Sessions }

// FindCtx implements scs.CtxStore.
func (s sessionStore) FindCtx(ctx context.Context, id string) ([]byte, bool, error) {
	session, err := s.backend.Session(ctx, id)
	if pair.CodeOf(err) == pair.Unauthorized {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	text, err := json.Marshal(session)
	return text, true, err
}

// CommitCtx implements scs.CtxStore.
func (s sessionStore) CommitCtx(ctx context.Context, id string, text []byte, expires time.Time) error {
	var session newSession
	if err := json.Unmarshal(text, &session); err != nil {
		return err
	}
	return s.backend.BeginSession(ctx, api.NewSession{ID: id, Ticket: session.Ticket, Browser: session.Browser, Expires: expires})
}

// DeleteCtx implements scs.CtxStore.
func (s sessionStore) DeleteCtx(ctx context.Context, id string) error {
	return s.backend.ForgetSession(ctx, id)
}

// Find implements scs.Store.
func (s sessionStore) Find(id string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), id)
}

// Commit implements scs.Store.
func (s sessionStore) Commit(id string, text []byte, expires time.Time) error {
	return s.CommitCtx(context.Background(), id, text, expires)
}

// Delete implements scs.Store.
func (s sessionStore) Delete(id string) error { return s.DeleteCtx(context.Background(), id) }
