package console

import (
	"cmp"
	"slices"
	"strconv"

	"baton/internal/pair"
)

func (c *Console) userRoutes() []route {
	return siteOnly(
		get("/users", administrator, c.showUsers),
		get("/users/new", administrator, c.showNewUser),
		post("/users/new", administrator, c.addUser),
		get("/users/edit/{name}", administrator, c.showUser),
		post("/users/edit/{name}", administrator, c.saveUser),
		post("/users/password/{name}", administrator, c.setPassword),
		post("/users/disable/{name}", administrator, c.disableUser),
		post("/users/enable/{name}", administrator, c.enableUser),
		post("/users/codes-off/{name}", administrator, c.resetCodes),
		post("/users/sign-out/{name}", administrator, c.signUserOut),
		post("/users/sessions/end", administrator, c.endSession),
	)
}

// usersPage lists the accounts, and who is signed in.
type usersPage struct {
	Users    []userRow
	Sessions []sessionRow
}

type userRow struct {
	pair.User
	LastLogin string
	Own       bool
}

func (v *visit) userRow(user pair.User) userRow {
	row := userRow{User: user, LastLogin: "never", Own: user.Name == v.caller.Name}
	if !user.LastLogin.IsZero() {
		row.LastLogin = clock(v.zone, user.LastLogin)
	}
	return row
}

func (c *Console) showUsers(v *visit) error {
	users, err := c.backend.Users.Users(v.ctx())
	if err != nil {
		return err
	}
	page := usersPage{}
	for _, user := range users {
		page.Users = append(page.Users, v.userRow(user))
	}
	if page.Sessions, err = v.sessionRows(""); err != nil {
		return err
	}
	return v.page("users", "Users", page)
}

// userPage is one account, or a new one.
type userPage struct {
	User     userRow
	Form     *form
	Password *form
	Sessions []sessionRow
}

func (c *Console) showNewUser(v *visit) error {
	return v.page("user-new", "Add a user", userPage{Form: newForm(map[string]string{"role": string(pair.Viewer)})})
}

func (c *Console) addUser(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	err = c.tryAddUser(v, f)
	f.forget("password", "again")
	if err != nil {
		if !f.refused(err) {
			return err
		}
		return v.show(statusOf(pair.CodeOf(err)), "user-new", "Add a user", userPage{Form: f})
	}
	return v.done("/users", f.get("name")+" can sign in now.")
}

func (c *Console) tryAddUser(v *visit, f *form) error {
	user := pair.NewUser{
		Name: f.get("name"), DisplayName: f.get("display_name"), Mail: f.get("mail"), Role: pair.Access(f.get("role")), Password: f.get("password"),
	}
	if err := c.typedTwice(v, f, user); err != nil {
		return err
	}
	return c.backend.Users.AddUser(v.ctx(), user)
}

// typedTwice refuses a new account whose second password is another than the
// first, together with whatever else is wrong with it.
func (c *Console) typedTwice(v *visit, f *form, user pair.NewUser) error {
	if f.get("password") == f.get("again") {
		return nil
	}
	const differ = "the two passwords are not the same: type both again"
	f.refuse("again", differ)
	return cmp.Or(c.backend.Users.CheckUser(v.ctx(), user), refuseField("again", differ))
}

// user returns the account that the path names.
func (c *Console) user(v *visit) (pair.User, error) {
	name := v.r.PathValue("name")
	users, err := c.backend.Users.Users(v.ctx())
	if err != nil {
		return pair.User{}, err
	}
	if i := slices.IndexFunc(users, func(u pair.User) bool { return u.Name == name }); i >= 0 {
		return users[i], nil
	}
	return pair.User{}, pair.Refuse(pair.NotFound, "there is no user %q: choose one on the Users page", name)
}

func userForm(user pair.User) *form {
	return newForm(map[string]string{
		"display_name": user.DisplayName, "mail": user.Mail, "role": string(user.Role), "version": strconv.FormatInt(user.Version, 10),
	})
}

func (c *Console) showUser(v *visit) error {
	user, err := c.user(v)
	if err != nil {
		return err
	}
	return v.userPage(user, userForm(user), newForm(nil), 200)
}

func (v *visit) userPage(user pair.User, f, password *form, status int) error {
	password.ID = "password"
	sessions, err := v.sessionRows(user.Name)
	if err != nil {
		return err
	}
	return v.show(status, "user", user.Name, userPage{User: v.userRow(user), Form: f, Password: password, Sessions: sessions})
}

func (c *Console) saveUser(v *visit) error {
	user, err := c.user(v)
	if err != nil {
		return err
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	version, err := strconv.ParseInt(f.get("version"), 10, 64)
	if err != nil || version < 1 {
		return pair.Refuse(pair.Usage, "the form is damaged: open the account on the Users page again")
	}
	save := func(version int64) error {
		return c.backend.Users.UpdateUser(v.ctx(), pair.UserChange{
			Name: user.Name, DisplayName: f.get("display_name"), Mail: f.get("mail"), Role: pair.Access(f.get("role")), Version: version,
		})
	}
	if err = save(version); pair.CodeOf(err) == pair.Stale {
		if f.overtaken(userForm(user), []string{"display_name", "mail", "role"}); f.right() { // they changed other fields
			err = save(user.Version)
		}
	}
	if err == nil {
		return v.done("/users", user.Name+" is saved.")
	}
	if f.right() && !f.refused(err) {
		return err
	}
	return v.userPage(user, f, newForm(nil), statusOf(pair.CodeOf(err)))
}

func (c *Console) setPassword(v *visit) error {
	user, err := c.user(v)
	if err != nil {
		return err
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	err = c.trySetPassword(v, user.Name, f)
	f.forget("password", "again")
	if err != nil {
		if !f.refused(err) {
			return err
		}
		return v.userPage(user, userForm(user), f, statusOf(pair.CodeOf(err)))
	}
	return v.done("/users", user.Name+" has a new password, and is signed out everywhere.")
}

func (c *Console) trySetPassword(v *visit, name string, f *form) error {
	if f.get("password") != f.get("again") {
		return refuseField("again", "the two passwords are not the same: type both again")
	}
	return c.backend.Users.SetPassword(v.ctx(), name, f.get("password"))
}

// act does something to the account that the path names, and leads back to it.
func (v *visit) act(change func(name string) error, notice string) error {
	name := v.r.PathValue("name")
	err := change(name)
	if code := pair.CodeOf(err); err != nil && (code == pair.Refused || code == pair.Stale) {
		return v.warn("/users/edit/"+name, sentence(err.Error()))
	}
	if err != nil {
		return err
	}
	return v.done("/users/edit/"+name, name+" "+notice)
}

func (c *Console) disableUser(v *visit) error {
	return v.act(func(name string) error { return c.backend.Users.DisableUser(v.ctx(), name) }, "is disabled, and signed out everywhere.")
}

func (c *Console) enableUser(v *visit) error {
	return v.act(func(name string) error { return c.backend.Users.EnableUser(v.ctx(), name) }, "may sign in again.")
}

func (c *Console) resetCodes(v *visit) error {
	return v.act(func(name string) error { return c.backend.Users.ResetTOTP(v.ctx(), name) }, "signs in with the password only now.")
}

func (c *Console) signUserOut(v *visit) error {
	return v.act(func(name string) error { return c.backend.Sessions.SignOutEverywhere(v.ctx(), name) }, "is signed out everywhere.")
}

func (c *Console) endSession(v *visit) error {
	id := v.r.PostFormValue("id")
	if own, _ := c.session(v.ctx()); own.ID == id {
		return c.signOut(v)
	}
	switch err := c.backend.Sessions.EndSession(v.ctx(), id); {
	case pair.CodeOf(err) == pair.NotFound && err != nil:
		return v.warn("/users", "This session has ended already.")
	case err != nil:
		return err
	}
	return v.done("/users", "The browser is signed out.")
}
