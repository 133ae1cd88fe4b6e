package api

import (
	"context"
	"time"

	"baton/internal/pair"
)

// Sessions keeps who is signed in to the console of this appliance. They stay
// here: the other appliance has its own.
type Sessions interface {
	BeginSession(ctx context.Context, session NewSession) error
	// Session returns a session, and whose it is as of now; Unauthorized if it has ended.
	Session(ctx context.Context, id string) (SignedIn, error)
	// UseSession keeps a session from ending for want of use.
	UseSession(ctx context.Context, session SignedIn) error
	// ForgetSession ends a session without a word, as one that another replaces.
	ForgetSession(ctx context.Context, id string) error
	// Sessions lists who is signed in, the last used first.
	Sessions(ctx context.Context) ([]Session, error)
	// EndSession signs one browser out.
	EndSession(ctx context.Context, id string) error
	// SignOutEverywhere signs a user out on this appliance, and unless it is the
	// backup, on the other with the next data sync.
	SignOutEverywhere(ctx context.Context, user string) error
}

// ListSessions lists who is signed in to the appliance's console.
func ListSessions() Op[Sessions, None, []Session] {
	return ask(get("/sessions", "sessions", pair.Administrator, "Who is signed in to this appliance's console"), Sessions.Sessions)
}

// EndSession signs one browser out.
func EndSession() Op[Sessions, string, None] {
	return orderID(del("/sessions/{id}", "end-session", pair.Administrator, "Sign one browser out"), Sessions.EndSession)
}

// SignOutEverywhere signs an account out on both appliances.
func SignOutEverywhere() Op[Sessions, string, None] {
	return orderName(del("/users/{name}/sessions", "sign-out-everywhere", pair.Administrator, "Sign an account out everywhere"), Sessions.SignOutEverywhere)
}

func (s *Server) serveSessions() {
	serve(s, s.backend.Sessions, ListSessions())
	serve(s, s.backend.Sessions, EndSession())
	serve(s, s.backend.Sessions, SignOutEverywhere())
}

// NewSession is a session to be begun.
type NewSession struct {
	ID      string // hash of what the browser's cookie holds
	Ticket  Ticket
	Browser string    // as it names itself
	Expires time.Time // ends then at the latest
}

// Session is a browser that is signed in to the console.
type Session struct {
	ID      string    `json:"id"`
	User    string    `json:"user"`
	From    string    `json:"from" doc:"Address from which it signed in"`
	Browser string    `json:"browser" doc:"As it names itself"`
	Since   time.Time `json:"since"`
	Seen    time.Time `json:"seen" doc:"Last use, to the half minute"`
	Expires time.Time `json:"expires" doc:"Ends then, used or not"`
}

// SignedIn is a session and whose it is.
type SignedIn struct {
	Session
	Account    pair.User
	CodeNeeded bool // not signed in yet: the code is still asked for
}
