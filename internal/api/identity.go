package api

import (
	"context"
	"net/netip"
	"time"

	"baton/internal/pair"
)

// SigningIn lets people in to the console. The caller in the context says from
// where somebody comes; who it is, is found here.
type SigningIn interface {
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

// OwnAccount is what users change of their own account. Each change ends the
// account's sessions, and returns a ticket to begin a new one with.
type OwnAccount interface {
	// ChangePassword asks for the old password.
	ChangePassword(ctx context.Context, user, old, password string) (Ticket, error)
	// NewTOTP returns a secret for one-time codes and saves nothing.
	NewTOTP(ctx context.Context, user string) (TOTPKey, error)
	// EnableTOTP asks for one-time codes from now on, once the password and a right
	// code were shown, and returns recovery codes, each of which serves once instead
	// of a code. Refused if they are on already.
	EnableTOTP(ctx context.Context, user string, shown TOTPProof) (recovery []string, ticket Ticket, err error)
	// DisableTOTP asks for the password.
	DisableTOTP(ctx context.Context, user, password string) (Ticket, error)
	// RecoveryCodes tells how many recovery codes are left.
	RecoveryCodes(ctx context.Context, user string) (int, error)
}

// TOTPKey is a secret for one-time codes, to be shown to its user.
type TOTPKey struct {
	Secret string // base32
	URL    string // otpauth:// for a QR code
}

// TOTPProof is what turning one-time codes on asks for.
type TOTPProof struct {
	Password string
	Secret   string // of NewTOTP
	Code     string // made from it
}

// Guarding keeps the rules of who may come in.
type Guarding interface {
	Security(ctx context.Context) (Saved[pair.Security], error)
	// SaveSecurity saves validated options that were derived from
	// security.Version; Conflict if that is no longer the newest. Networks that
	// leave out the caller are refused.
	SaveSecurity(ctx context.Context, security Saved[pair.Security]) (Saved[pair.Security], error)
	// Admits reports whether console and API answer an address of the network.
	Admits(from netip.Addr) bool
}

// CheckAdmits refuses options that would lock out whoever saves them over the
// network.
func CheckAdmits(security pair.Security, caller Caller) error {
	if caller.Local {
		return nil
	}
	from, err := netip.ParseAddr(caller.From)
	if err == nil && security.Admits(from) {
		return nil
	}
	return pair.RefuseField("console_networks", "your own address, %s, is in none of these networks, so that you would be locked out: add its network", caller.From)
}
