package signin

import (
	"context"
	"time"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/store"
)

// codeTime is how long the code may be asked for once the password was right.
const codeTime = 5 * time.Minute

// Sessions implements api.Sessions.
type Sessions struct{ *people }

// BeginSession implements api.Sessions.
func (s *Sessions) BeginSession(ctx context.Context, made api.NewSession) error {
	session := store.Session{
		ID: made.ID, User: made.Ticket.User, Stamp: made.Ticket.Stamp, Pending: made.Ticket.CodeNeeded,
		Address: from(ctx), Browser: made.Browser, Expires: made.Expires,
	}
	if limit := time.Now().Add(codeTime); session.Pending && session.Expires.After(limit) {
		session.Expires = limit
	}
	return act.Failure(s.store.Sessions.Begin(ctx, session))
}

// Session implements api.Sessions.
func (s *Sessions) Session(ctx context.Context, id string) (api.SignedIn, error) {
	session, user, err := s.store.Sessions.Get(ctx, id, s.rules.Get().SessionTimeout)
	if err != nil {
		return api.SignedIn{}, act.Failure(err)
	}
	return api.SignedIn{Session: sessionOf(session), Account: user, CodeNeeded: session.Pending}, nil
}

func sessionOf(s store.Session) api.Session {
	return api.Session{ID: s.ID, User: s.User, From: s.Address, Browser: s.Browser, Since: s.Since, Seen: s.Seen, Expires: s.Expires}
}

// UseSession implements api.Sessions.
func (s *Sessions) UseSession(ctx context.Context, session api.SignedIn) error {
	return act.Failure(s.store.Sessions.Use(ctx, store.Session{ID: session.ID, Seen: session.Seen}))
}

// ForgetSession implements api.Sessions.
func (s *Sessions) ForgetSession(ctx context.Context, id string) error {
	_, err := s.store.Sessions.End(ctx, id)
	if pair.CodeOf(err) == pair.NotFound {
		return nil
	}
	return act.Failure(err)
}

// Sessions implements api.Sessions.
func (s *Sessions) Sessions(ctx context.Context) ([]api.Session, error) {
	sessions, err := s.store.Sessions.List(ctx, s.rules.Get().SessionTimeout)
	if err != nil {
		return nil, act.Failure(err)
	}
	list := make([]api.Session, len(sessions))
	for i, s := range sessions {
		list[i] = sessionOf(s)
	}
	return list, nil
}

// EndSession implements api.Sessions.
func (s *Sessions) EndSession(ctx context.Context, id string) error {
	user, err := s.store.Sessions.End(ctx, id)
	if err != nil {
		return act.Failure(err)
	}
	s.signedOut(ctx, user, "")
	return nil
}

// SignOutEverywhere implements api.Sessions.
func (s *Sessions) SignOutEverywhere(ctx context.Context, user string) error {
	user = pair.UserName(user)
	end := s.store.Sessions.SignOutEverywhere
	if s.lead.Check() != nil {
		end = s.store.Sessions.EndAll // the account itself is kept by the primary
	}
	if err := end(ctx, user); err != nil {
		return act.Failure(err)
	}
	s.signedOut(ctx, user, " everywhere")
	return nil
}

func (s *Sessions) signedOut(ctx context.Context, user, where string) {
	text := user + " signed out" + where + "."
	if caller, _ := api.CallerFrom(ctx); caller.Name != user {
		text = act.By(ctx).String() + " signed " + user + " out" + where + "."
	}
	detail := act.By(ctx).Note()
	detail["user"] = user
	s.lead.Audit.Record(pair.Event{Kind: pair.KindSignedOut, Text: text, Detail: detail})
}
