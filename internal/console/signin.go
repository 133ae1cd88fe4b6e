package console

import (
	"net/http"
	"net/url"

	"baton/internal/api"
	"baton/internal/pair"
)

func (c *Console) signInRoutes() []route {
	return []route{
		get("", anybody, c.showSignIn),
		post("", anybody, c.signIn),
		get("/code", anybody, c.showCode),
		post("/code", anybody, c.signInWithCode),
		get("/setup", anybody, c.showSetup),
		post("/setup", anybody, c.setUp),
		post("/sign-out", viewer, c.signOut),
	}
}

// signInPage is what the sign-in shows.
type signInPage struct {
	Form *form
	Next string
}

func (c *Console) showSignIn(v *visit) error {
	next := v.r.URL.Query().Get("next")
	if v.signedIn() {
		return v.leave(localPath(next))
	}
	if token, err := c.backend.Setup.SetupToken(v.ctx()); err != nil || token != "" {
		return v.leaveOr("/setup", err)
	}
	return v.page("signin", "Sign in", signInPage{Form: newForm(nil), Next: next})
}

func (c *Console) signIn(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	ticket, err := c.backend.SignIn.SignIn(v.ctx(), api.Credentials{Name: f.get("name"), Password: f.get("password"), Browser: v.browser()})
	if err != nil {
		return v.signInRefused("signin", "Sign in", f, err)
	}
	if err := v.begin(ticket); err != nil {
		return err
	}
	if ticket.CodeNeeded {
		return v.leave("/code?" + url.Values{"next": {f.get("next")}}.Encode())
	}
	return v.leave(localPath(f.get("next")))
}

// signInRefused shows a step of the sign-in again.
func (v *visit) signInRefused(name, title string, f *form, err error) error {
	f.forget("password", "code")
	if !f.refused(err) {
		return err
	}
	if pair.CodeOf(err) == pair.TooMany {
		v.w.Header().Set("Retry-After", "60")
	}
	return v.show(statusOf(pair.CodeOf(err)), name, title, signInPage{Form: f, Next: f.get("next")})
}

// pending is the session of somebody whose password was right, and whose code is
// still asked for.
func (v *visit) pending() (api.SignedIn, bool) {
	session, found := v.console.session(v.ctx())
	return session, found && session.CodeNeeded
}

func (c *Console) showCode(v *visit) error {
	next := v.r.URL.Query().Get("next")
	if _, pending := v.pending(); !pending {
		return v.leave("?" + url.Values{"next": {next}}.Encode())
	}
	return v.page("code", "Sign in", signInPage{Form: newForm(nil), Next: next})
}

func (c *Console) signInWithCode(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	session, pending := v.pending()
	if !pending {
		return v.warn("?"+url.Values{"next": {f.get("next")}}.Encode(), "That took too long: sign in again.")
	}
	ticket, err := c.backend.SignIn.SignInWithCode(v.ctx(), session, f.get("code"))
	if err != nil {
		return v.signInRefused("code", "Sign in", f, err)
	}
	if err := v.begin(ticket); err != nil {
		return err
	}
	return v.leave(localPath(f.get("next")))
}

func (c *Console) signOut(v *visit) error {
	if session, found := c.session(v.ctx()); found {
		if err := c.backend.Sessions.EndSession(v.ctx(), session.ID); err != nil {
			return err
		}
	}
	return v.signedOut()
}

// signedOut forgets the browser's session, which has ended, and leads to the sign-in.
func (v *visit) signedOut() error {
	if err := v.console.sessions.Destroy(v.ctx()); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, Root, http.StatusSeeOther)
	return nil
}

// leaveOr leaves, unless something failed.
func (v *visit) leaveOr(path string, err error) error {
	if err != nil {
		return err
	}
	return v.leave(path)
}

func (c *Console) showSetup(v *visit) error {
	if token, err := c.backend.Setup.SetupToken(v.ctx()); err != nil || token == "" {
		return v.leaveOr("", err)
	}
	return v.page("setup", "Set up this appliance", signInPage{Form: newForm(nil)})
}

// setUp makes the first administrator, and signs them in.
func (c *Console) setUp(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	if err := c.trySetUp(v, f); err != nil {
		f.forget("password", "again")
		if !f.refused(err) {
			return err
		}
		return v.show(statusOf(pair.CodeOf(err)), "setup", "Set up this appliance", signInPage{Form: f})
	}
	ticket, err := c.backend.SignIn.SignIn(v.ctx(), api.Credentials{Name: f.get("name"), Password: f.get("password"), Browser: v.browser()})
	if err != nil {
		return err
	}
	if err := v.begin(ticket); err != nil {
		return err
	}
	return v.done("/status", "You are the first administrator of "+v.status.Appliance.Name+".")
}

func (c *Console) trySetUp(v *visit, f *form) error {
	token, err := c.backend.Setup.SetupToken(v.ctx())
	switch {
	case err != nil:
		return err
	case token == "":
		return pair.Refuse(pair.Refused, "setup is done already: sign in, or ask an administrator for an account")
	case !api.SameSetupToken(f.get("token"), token):
		return refuseField("token", "this is not the setup token: read it in the appliance's log, or run baton setup there")
	}
	user := pair.NewUser{Name: f.get("name"), Role: pair.Administrator, Password: f.get("password")}
	if err := c.typedTwice(v, f, user); err != nil {
		return err
	}
	return c.backend.Setup.SetUp(v.ctx(), user)
}
