package api

import "context"

// SignIn lets people in to the console. The caller in the context says from
// where somebody comes; who it is, is found here.
type SignIn interface {
	// SignIn checks a name and a password. Unauthorized is the same, and takes as
	// long, for an unknown name, a wrong password and a disabled account. TooMany:
	// nothing was looked at.
	SignIn(ctx context.Context, credentials Credentials) (Ticket, error)
	// SignInWithCode checks the one-time code, or a recovery code, that a session
	// still needs.
	SignInWithCode(ctx context.Context, session SignedIn, code string) (Ticket, error)
}

// Credentials are what somebody signs in with.
type Credentials struct {
	Name     string
	Password string
	Browser  string // as it names itself
}

// Ticket is what a sign-in yields: a session can be begun with it. It is void,
// and so is the session, once the account's password, role or one-time codes are
// others, or the account is disabled.
type Ticket struct {
	User       string
	Stamp      string
	CodeNeeded bool // the password was right, the code is still asked for
}
