package console

import (
	"net/http"

	"baton/internal/api"
)

func (c *Console) signInRoutes() []route {
	return []route{
		get("", anybody, c.showSignIn),
		get("/{$}", anybody, c.showSignIn),
		post("", anybody, c.signIn),
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
		return v.leave(localPath(next, "/status"))
	}
	return v.page("signin", "Sign in", signInPage{Form: newForm(nil), Next: next})
}

func (c *Console) signIn(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	user, err := c.backend.SignIn(v.ctx(), f.get("name"), f.get("password"))
	if err != nil {
		f.forget("password")
		if !f.refused(err) {
			return err
		}
		return v.show(statusOf(api.CodeOf(err)), "signin", "Sign in", signInPage{Form: f, Next: f.get("next")})
	}
	if err := c.sessions.RenewToken(v.ctx()); err != nil {
		return err
	}
	c.sessions.Put(v.ctx(), userKey, user.Name)
	return v.leave(localPath(f.get("next"), "/status"))
}

func (c *Console) signOut(v *visit) error {
	if err := c.sessions.Destroy(v.ctx()); err != nil {
		return err
	}
	http.Redirect(v.w, v.r, Root, http.StatusSeeOther)
	return nil
}
