package signin

import (
	"context"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"baton/internal/act"
	"baton/internal/inforce"
	"baton/internal/pair"
	"baton/internal/store"
)

// Options are what the subjects of this package need.
type Options struct {
	Name  string // of this appliance
	Store *store.Site
	Lead  *act.Lead
	Rules *inforce.Security // in force
	Token string            // of the one-time setup
	Log   *slog.Logger
}

// Subjects are the parts of api.Backend that are about people.
type Subjects struct {
	SignIn   *SignIn
	Sessions *Sessions
	Account  *Account
	Users    *Users
	Tokens   *Tokens
	Security *Security
	Setup    *Setup
}

// New returns the subjects. No security options but the defaults are in force until
// Security.Load.
func New(o Options) Subjects {
	shared := &people{name: o.Name, store: o.Store, lead: o.Lead, rules: o.Rules, gate: newGate(time.Now)}
	users := &Users{shared}
	return Subjects{
		SignIn: &SignIn{shared}, Sessions: &Sessions{shared}, Account: &Account{shared, users}, Users: users,
		Tokens: &Tokens{shared}, Security: &Security{shared, o.Log}, Setup: &Setup{people: shared, users: users, token: o.Token},
	}
}

// people is what the subjects of this package share.
type people struct {
	name  string // of this appliance
	store *store.Site
	lead  *act.Lead
	rules *inforce.Security // in force
	gate  *gate             // in front of the sign-in
}

// authenticate is how a password is checked: of a stranger, or of somebody signed in.
type authenticate func(ctx context.Context, name, password string) (pair.User, error)

// prove checks a name and a password, as often as the gate allows.
func (p *people) prove(ctx context.Context, name, password string, check authenticate) (pair.User, error) {
	name = pair.UserName(name)
	end, err := p.gate.begin(name, source(ctx))
	if err != nil {
		return pair.User{}, err
	}
	defer end()
	user, err := check(ctx, name, password)
	if pair.CodeOf(err) == pair.Unauthorized {
		p.gate.wrong(name, source(ctx))
		p.failed(ctx, name, "the user name or the password was wrong")
	}
	return user, act.Failure(err)
}

func (p *people) signedIn(ctx context.Context, name, browser string) {
	p.gate.right(name, source(ctx))
	p.store.Users.NoteLogin(ctx, name)
	p.lead.Audit.Record(pair.Event{
		Kind: pair.KindSignedIn, Text: name + " signed in from " + from(ctx) + ".",
		Detail: map[string]string{"by": name, "from": from(ctx), "browser": browser},
	})
}

// failed writes a failed sign-in into the history. What was typed as a name is
// not repeated unless an account has it: it may be somebody's password.
func (p *people) failed(ctx context.Context, name, what string) {
	untold, noted := p.gate.note()
	if !noted {
		return
	}
	who := "an unknown user"
	detail := map[string]string{"from": from(ctx)}
	if _, err := p.store.Users.Get(ctx, name); err == nil {
		who, detail["by"] = name, name
	}
	text := fmt.Sprintf("A sign-in as %s from %s failed: %s.", who, from(ctx), what)
	if untold > 0 {
		text += fmt.Sprintf(" %d more failed since the last such line.", untold)
	}
	p.lead.Audit.Record(pair.Event{Kind: pair.KindSignInFailed, Text: text, Detail: detail})
}

// goodPassword refuses a new password that breaks the rule of the Security page, or that
// its owner could not type.
func (p *people) goodPassword(password string) error {
	if least := p.rules.Get().PasswordLength; utf8.RuneCountInString(password) < least {
		return pair.RefuseField("password", "use %d characters or more", least)
	}
	if err := pair.CheckSeen("the password", password); err != nil {
		return pair.RefuseField("password", "%s", err)
	}
	return nil
}
