package app

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

// SignIn implements api.SigningIn.
func (b *backend) SignIn(ctx context.Context, in api.Credentials) (api.Ticket, error) {
	user, err := b.prove(ctx, in.Name, in.Password, b.site.Authenticate)
	if err != nil {
		return api.Ticket{}, err
	}
	ticket := ticketOf(user)
	if user.TOTP {
		ticket.CodeNeeded = true
		return ticket, nil
	}
	b.signedIn(ctx, user.Name, in.Browser)
	return ticket, nil
}

// authenticate is how a password is checked: of a stranger, or of somebody signed in.
type authenticate func(ctx context.Context, name, password string) (pair.User, error)

// prove checks a name and a password, as often as the gate allows.
func (b *backend) prove(ctx context.Context, name, password string, check authenticate) (pair.User, error) {
	name = pair.UserName(name)
	end, err := b.gate.begin(name, source(ctx))
	if err != nil {
		return pair.User{}, err
	}
	defer end()
	user, err := check(ctx, name, password)
	if pair.CodeOf(err) == pair.Unauthorized {
		b.gate.wrong(name, source(ctx))
		b.failed(ctx, name, "the user name or the password was wrong")
	}
	return user, act.Failure(err)
}

func ticketOf(user pair.User) api.Ticket { return api.Ticket{User: user.Name, Stamp: user.Stamp} }

func (b *backend) signedIn(ctx context.Context, name, browser string) {
	b.gate.right(name, source(ctx))
	b.site.NoteLogin(ctx, name)
	b.history.Record(pair.Event{
		Kind: pair.KindSignedIn, Text: name + " signed in from " + from(ctx) + ".",
		Detail: map[string]string{"by": name, "from": from(ctx), "browser": browser},
	})
}

// SignInWithCode implements api.SigningIn.
func (b *backend) SignInWithCode(ctx context.Context, session api.SignedIn, code string) (api.Ticket, error) {
	name := session.Account.Name
	failed, end, err := b.gate.beginCode(name, source(ctx))
	if err != nil {
		return api.Ticket{}, err
	}
	defer end()
	err = b.site.CheckCode(ctx, name, code)
	if pair.CodeOf(err) == pair.Unauthorized {
		failed()
		b.failed(ctx, name, "the password was right, the code was not")
	}
	if err != nil {
		return api.Ticket{}, act.Failure(err)
	}
	user, err := b.site.User(ctx, name)
	if err != nil {
		return api.Ticket{}, act.Failure(err)
	}
	b.signedIn(ctx, name, session.Browser)
	return ticketOf(user), nil
}

// BeginSession implements api.Sessions.
func (b *backend) BeginSession(ctx context.Context, made api.NewSession) error {
	session := store.Session{
		ID: made.ID, User: made.Ticket.User, Stamp: made.Ticket.Stamp, Pending: made.Ticket.CodeNeeded,
		Address: from(ctx), Browser: made.Browser, Expires: made.Expires,
	}
	if limit := time.Now().Add(codeTime); session.Pending && session.Expires.After(limit) {
		session.Expires = limit
	}
	return act.Failure(b.site.AddSession(ctx, session))
}

// Session implements api.Sessions.
func (b *backend) Session(ctx context.Context, id string) (api.SignedIn, error) {
	session, user, err := b.site.Session(ctx, id, b.security.Get().SessionTimeout)
	if err != nil {
		return api.SignedIn{}, act.Failure(err)
	}
	return api.SignedIn{Session: sessionOf(session), Account: user, CodeNeeded: session.Pending}, nil
}

func sessionOf(s store.Session) api.Session {
	return api.Session{ID: s.ID, User: s.User, From: s.Address, Browser: s.Browser, Since: s.Since, Seen: s.Seen, Expires: s.Expires}
}

// UseSession implements api.Sessions.
func (b *backend) UseSession(ctx context.Context, session api.SignedIn) error {
	return act.Failure(b.site.UseSession(ctx, store.Session{ID: session.ID, Seen: session.Seen}))
}

// ForgetSession implements api.Sessions.
func (b *backend) ForgetSession(ctx context.Context, id string) error {
	_, err := b.site.EndSession(ctx, id)
	if pair.CodeOf(err) == pair.NotFound {
		return nil
	}
	return act.Failure(err)
}

// Sessions implements api.Sessions.
func (b *backend) Sessions(ctx context.Context) ([]api.Session, error) {
	sessions, err := b.site.Sessions(ctx, b.security.Get().SessionTimeout)
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
func (b *backend) EndSession(ctx context.Context, id string) error {
	user, err := b.site.EndSession(ctx, id)
	if err != nil {
		return act.Failure(err)
	}
	b.signedOut(ctx, user, "")
	return nil
}

// SignOutEverywhere implements api.Sessions.
func (b *backend) SignOutEverywhere(ctx context.Context, user string) error {
	user = pair.UserName(user)
	end := b.site.SignOutEverywhere
	if b.lead.Check() != nil {
		end = b.site.EndSessions // the account itself is kept by the primary
	}
	if err := end(ctx, user); err != nil {
		return act.Failure(err)
	}
	b.signedOut(ctx, user, " everywhere")
	return nil
}

func (b *backend) signedOut(ctx context.Context, user, where string) {
	text := user + " signed out" + where + "."
	if caller, _ := api.CallerFrom(ctx); caller.Name != user {
		text = act.By(ctx).String() + " signed " + user + " out" + where + "."
	}
	detail := act.By(ctx).Note()
	detail["user"] = user
	b.history.Record(pair.Event{Kind: pair.KindSignedOut, Text: text, Detail: detail})
}

// ChangePassword implements api.OwnAccount.
func (b *backend) ChangePassword(ctx context.Context, name, old, password string) (api.Ticket, error) {
	if err := b.lead.Check(); err != nil {
		return api.Ticket{}, err
	}
	if err := b.proveAgain(ctx, name, old, "old"); err != nil {
		return api.Ticket{}, err
	}
	if err := b.SetPassword(ctx, name, password); err != nil {
		return api.Ticket{}, err
	}
	return b.newTicket(ctx, name)
}

// proveAgain asks somebody who is signed in for the password, so that a browser
// left alone is not enough.
func (b *backend) proveAgain(ctx context.Context, name, password, field string) error {
	_, err := b.prove(ctx, name, password, b.site.AuthenticateAgain)
	if pair.CodeOf(err) == pair.Unauthorized {
		return pair.RefuseField(field, "this is not your password")
	}
	return err
}

func (b *backend) newTicket(ctx context.Context, name string) (api.Ticket, error) {
	user, err := b.site.User(ctx, name)
	return ticketOf(user), act.Failure(err)
}

// NewTOTP implements api.OwnAccount.
func (b *backend) NewTOTP(_ context.Context, name string) (api.TOTPKey, error) {
	if err := b.lead.Check(); err != nil {
		return api.TOTPKey{}, err
	}
	key, err := store.NewTOTP("Baton "+b.config.Name, name)
	return api.TOTPKey{Secret: key.Secret, URL: key.URL}, err
}

// EnableTOTP implements api.OwnAccount.
func (b *backend) EnableTOTP(ctx context.Context, name string, shown api.TOTPProof) (recovery []string, ticket api.Ticket, err error) {
	if err := b.lead.Check(); err != nil {
		return nil, api.Ticket{}, err
	}
	user, err := b.site.User(ctx, name)
	if err != nil {
		return nil, api.Ticket{}, act.Failure(err)
	}
	if user.TOTP { // turning them off asks for the password; nobody gets around that by replacing them
		return nil, api.Ticket{}, pair.Refuse(pair.Refused, "one-time codes are on already: turn them off on the account page first")
	}
	if err := b.proveAgain(ctx, name, shown.Password, "password"); err != nil {
		return nil, api.Ticket{}, err
	}
	defer b.gate.forget(name)
	err = b.lead.ChangeFor(ctx, "turned on one-time codes for "+name, func() (err error) {
		recovery, err = b.site.SetTOTP(ctx, name, shown.Secret, shown.Code)
		return err
	})
	if err != nil {
		return nil, api.Ticket{}, err
	}
	ticket, err = b.newTicket(ctx, name)
	return recovery, ticket, err
}

// DisableTOTP implements api.OwnAccount.
func (b *backend) DisableTOTP(ctx context.Context, name, password string) (api.Ticket, error) {
	if err := b.lead.Check(); err != nil {
		return api.Ticket{}, err
	}
	if err := b.proveAgain(ctx, name, password, "password"); err != nil {
		return api.Ticket{}, err
	}
	if err := b.ResetTOTP(ctx, name); err != nil {
		return api.Ticket{}, err
	}
	return b.newTicket(ctx, name)
}

// RecoveryCodes implements api.OwnAccount.
func (b *backend) RecoveryCodes(ctx context.Context, name string) (int, error) {
	left, err := b.site.RecoveryLeft(ctx, name)
	return left, act.Failure(err)
}
