package access

import (
	"net/url"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// signIn is sign-in, and the setup of an appliance that has no account yet.
type signIn struct{ backend Backend }

func (p signIn) routes() []page.Route {
	return []page.Route{
		page.Get("", page.Anybody, p.showSignIn),
		page.Submit("", page.Anybody, "", p.withPassword),
		page.Get("/code", page.Anybody, p.showCode),
		page.Submit("/code", page.Anybody, "", p.withCode),
		page.Get("/setup", page.Anybody, p.showSetup),
		page.Submit("/setup", page.Anybody, "", p.setUp),
		page.Post("/sign-out", pair.Viewer, p.signOut),
	}
}

// signInPage is what the sign-in shows.
type signInPage struct {
	Form *page.Form
	Next string
}

func (p signIn) showSignIn(v *page.Visit) error {
	next := v.Request.URL.Query().Get("next")
	if v.SignedIn() {
		return v.Leave(page.LocalPath(next))
	}
	if token, err := p.backend.Setup.SetupToken(v.Context()); err != nil {
		return err
	} else if token != "" {
		return v.Leave("/setup")
	}
	return v.Page("signin", "Sign in", signInPage{Form: page.NewForm("", nil), Next: next})
}

func (p signIn) withPassword(v *page.Visit, f *page.Form) error {
	ticket, err := p.backend.SignIn.SignIn(v.Context(), api.Credentials{Name: f.Get("name"), Password: f.Get("password"), Browser: v.Browser()})
	if err != nil {
		return signInRefused(v, "signin", "Sign in", f, err)
	}
	if err := v.Begin(ticket); err != nil {
		return err
	}
	if ticket.CodeNeeded {
		return v.Leave("/code?" + url.Values{"next": {f.Get("next")}}.Encode())
	}
	return v.Leave(page.LocalPath(f.Get("next")))
}

// signInRefused shows a step of the sign-in again.
func signInRefused(v *page.Visit, name, title string, f *page.Form, err error) error {
	f.Forget("password", "code")
	if pair.CodeOf(err) == pair.TooMany {
		v.Writer.Header().Set("Retry-After", "60")
	}
	return v.Refused(f, err, name, title, signInPage{Form: f, Next: f.Get("next")})
}

// pending is the session of a visitor who gave the right password and has to give a
// one-time code as well.
func pending(v *page.Visit) (api.SignedIn, bool) {
	session, ok := v.Session()
	return session, ok && session.CodeNeeded
}

func (p signIn) showCode(v *page.Visit) error {
	next := v.Request.URL.Query().Get("next")
	if _, ok := pending(v); !ok {
		return v.Leave("?" + url.Values{"next": {next}}.Encode())
	}
	return v.Page("code", "Sign in", signInPage{Form: page.NewForm("", nil), Next: next})
}

func (p signIn) withCode(v *page.Visit, f *page.Form) error {
	session, ok := pending(v)
	if !ok {
		return v.Warn("?"+url.Values{"next": {f.Get("next")}}.Encode(), "That took too long: sign in again.")
	}
	ticket, err := p.backend.SignIn.SignInWithCode(v.Context(), session, f.Get("code"))
	if err != nil {
		return signInRefused(v, "code", "Sign in", f, err)
	}
	if err := v.Begin(ticket); err != nil {
		return err
	}
	return v.Leave(page.LocalPath(f.Get("next")))
}

func (p signIn) signOut(v *page.Visit) error { return signOut(v, p.backend.Sessions) }

// signOut ends the session of this browser.
func signOut(v *page.Visit, sessions api.Sessions) error {
	if session, ok := v.Session(); ok {
		if err := sessions.EndSession(v.Context(), session.ID); err != nil {
			return err
		}
	}
	return v.ForgetSession()
}

func (p signIn) showSetup(v *page.Visit) error {
	if token, err := p.backend.Setup.SetupToken(v.Context()); err != nil {
		return err
	} else if token == "" {
		return v.Leave("")
	}
	return v.Page("setup", "Set up this appliance", signInPage{Form: page.NewForm("", nil)})
}

// setUp makes the first administrator, and signs them in.
func (p signIn) setUp(v *page.Visit, f *page.Form) error {
	if err := p.trySetUp(v, f); err != nil {
		f.Forget("password", "again")
		return v.Refused(f, err, "setup", "Set up this appliance", signInPage{Form: f})
	}
	ticket, err := p.backend.SignIn.SignIn(v.Context(), api.Credentials{Name: f.Get("name"), Password: f.Get("password"), Browser: v.Browser()})
	if err != nil {
		return err
	}
	if err := v.Begin(ticket); err != nil {
		return err
	}
	return v.Done("/status", "You are the first administrator of "+v.Status.Appliance.Name+".")
}

func (p signIn) trySetUp(v *page.Visit, f *page.Form) error {
	token, err := p.backend.Setup.SetupToken(v.Context())
	switch {
	case err != nil:
		return err
	case token == "":
		return pair.Refuse(pair.Refused, "setup is done already: sign in, or ask an administrator for an account")
	case !api.SameSetupToken(f.Get("token"), token):
		return pair.RefuseField("token", "this is not the setup token: read it in the appliance's log, or run baton setup there")
	}
	user := pair.NewUser{Name: f.Get("name"), Role: pair.Administrator, Password: f.Get("password")}
	if err := typedTwice(v, p.backend.Users, f, user); err != nil {
		return err
	}
	return p.backend.Setup.SetUp(v.Context(), user)
}
