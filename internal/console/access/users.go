package access

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// users is the Users page and the pages of the accounts.
type users struct{ backend Backend }

func (p users) routes() []page.Route {
	return page.FromPrimary("the users",
		page.Get("/users", pair.Administrator, p.show),
		page.Get("/users/new", pair.Administrator, p.showNewUser),
		page.Submit("/users/new", pair.Administrator, "", p.addUser),
		page.Get("/users/edit/{name}", pair.Administrator, p.showUser),
		page.Submit("/users/edit/{name}", pair.Administrator, "", p.saveUser),
		page.Submit("/users/password/{name}", pair.Administrator, "password", p.setPassword),
		page.Post("/users/disable/{name}", pair.Administrator, act(p.backend.Users.DisableUser, "is disabled, and signed out everywhere.")),
		page.Post("/users/enable/{name}", pair.Administrator, act(p.backend.Users.EnableUser, "may sign in again.")),
		page.Post("/users/codes-off/{name}", pair.Administrator, act(p.backend.Users.ResetTOTP, "signs in with the password only now.")),
		page.Post("/users/sign-out/{name}", pair.Administrator, act(p.backend.Sessions.SignOutEverywhere, "is signed out everywhere.")),
		page.Post("/users/sessions/end", pair.Administrator, p.endSession),
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

func newUserRow(v *page.Visit, user pair.User) userRow {
	row := userRow{User: user, LastLogin: "never", Own: user.Name == v.Caller.Name}
	if !user.LastLogin.IsZero() {
		row.LastLogin = page.Clock(v.Zone, user.LastLogin)
	}
	return row
}

func (p users) show(v *page.Visit) error {
	users, err := p.backend.Users.Users(v.Context())
	if err != nil {
		return err
	}
	data := usersPage{}
	for _, user := range users {
		data.Users = append(data.Users, newUserRow(v, user))
	}
	if data.Sessions, err = sessionRows(v, p.backend.Sessions, ""); err != nil {
		return err
	}
	return v.Page("users", "Users", data)
}

// userPage is one account, or a new one.
type userPage struct {
	User     userRow
	Form     *page.Form
	Password *page.Form
	Sessions []sessionRow
}

func (p users) showNewUser(v *page.Visit) error {
	return v.Page("user-new", "Add a user", userPage{Form: page.NewForm("", map[string]string{"role": string(pair.Viewer)})})
}

func (p users) addUser(v *page.Visit, f *page.Form) error {
	err := p.tryAddUser(v, f)
	f.Forget("password", "again")
	if err != nil {
		return v.Refused(f, err, "user-new", "Add a user", userPage{Form: f})
	}
	return v.Done("/users", f.Get("name")+" can sign in now.")
}

func (p users) tryAddUser(v *page.Visit, f *page.Form) error {
	user := pair.NewUser{
		Name: f.Get("name"), DisplayName: f.Get("display_name"), Mail: f.Get("mail"), Role: pair.Access(f.Get("role")), Password: f.Get("password"),
	}
	if err := typedTwice(v, p.backend.Users, f, user); err != nil {
		return err
	}
	return p.backend.Users.AddUser(v.Context(), user)
}

// typedTwice refuses a new account whose second password is not the first, together with
// everything else that is wrong with it.
func typedTwice(v *page.Visit, users api.Users, f *page.Form, user pair.NewUser) error {
	if f.Get("password") == f.Get("again") {
		return nil
	}
	const differ = "the two passwords are not the same: type both again"
	f.Refuse("again", differ)
	return cmp.Or(users.CheckUser(v.Context(), user), pair.RefuseField("again", "%s", differ))
}

// user returns the account that the path names.
func (p users) user(v *page.Visit) (pair.User, error) {
	name := v.Request.PathValue("name")
	users, err := p.backend.Users.Users(v.Context())
	if err != nil {
		return pair.User{}, err
	}
	if i := slices.IndexFunc(users, func(u pair.User) bool { return u.Name == name }); i >= 0 {
		return users[i], nil
	}
	return pair.User{}, pair.Refuse(pair.NotFound, "there is no user %q: choose one on the Users page", name)
}

func userForm(user pair.User) *page.Form {
	return page.NewForm("", map[string]string{
		"display_name": user.DisplayName, "mail": user.Mail, "role": string(user.Role), "version": strconv.FormatInt(user.Version, 10),
	})
}

func (p users) showUser(v *page.Visit) error {
	user, err := p.user(v)
	if err != nil {
		return err
	}
	return p.page(v, user, userForm(user), page.NewForm("password", nil), http.StatusOK)
}

func (p users) page(v *page.Visit, user pair.User, f, password *page.Form, status int) error {
	sessions, err := sessionRows(v, p.backend.Sessions, user.Name)
	if err != nil {
		return err
	}
	return v.Show(status, "user", user.Name, userPage{User: newUserRow(v, user), Form: f, Password: password, Sessions: sessions})
}

func (p users) saveUser(v *page.Visit, f *page.Form) error {
	user, err := p.user(v)
	if err != nil {
		return err
	}
	version, err := strconv.ParseInt(f.Get("version"), 10, 64)
	if err != nil || version < 1 {
		return pair.Refuse(pair.Usage, "the form is damaged: open the account on the Users page again")
	}
	save := func(version int64) error {
		return p.backend.Users.UpdateUser(v.Context(), pair.UserChange{
			Name: user.Name, DisplayName: f.Get("display_name"), Mail: f.Get("mail"), Role: pair.Access(f.Get("role")), Version: version,
		})
	}
	if err = save(version); pair.CodeOf(err) == pair.Stale {
		if f.Overtaken(userForm(user), []string{"display_name", "mail", "role"}); f.Right() { // the other person changed other fields
			err = save(user.Version)
		}
	}
	if err == nil {
		return v.Done("/users", user.Name+" is saved.")
	}
	if f.Right() && !f.Refused(err) {
		return err
	}
	return p.page(v, user, f, page.NewForm("password", nil), page.StatusOf(err))
}

func (p users) setPassword(v *page.Visit, f *page.Form) error {
	user, err := p.user(v)
	if err != nil {
		return err
	}
	err = p.trySetPassword(v, user.Name, f)
	f.Forget("password", "again")
	if err != nil {
		if !f.Refused(err) {
			return err
		}
		return p.page(v, user, userForm(user), f, page.StatusOf(err))
	}
	return v.Done("/users", user.Name+" has a new password, and is signed out everywhere.")
}

func (p users) trySetPassword(v *page.Visit, name string, f *page.Form) error {
	if f.Get("password") != f.Get("again") {
		return pair.RefuseField("again", "the two passwords are not the same: type both again")
	}
	return p.backend.Users.SetPassword(v.Context(), name, f.Get("password"))
}

// act does something to the account that the path names, and leads back to it.
func act(change func(ctx context.Context, name string) error, notice string) func(*page.Visit) error {
	return func(v *page.Visit) error {
		name := v.Request.PathValue("name")
		err := change(v.Context(), name)
		switch code := pair.CodeOf(err); {
		case err == nil:
			return v.Done("/users/edit/"+name, name+" "+notice)
		case code == pair.Refused || code == pair.Stale:
			return v.Warn("/users/edit/"+name, page.Sentence(err.Error()))
		}
		return err
	}
}

func (p users) endSession(v *page.Visit) error {
	id := v.Request.PostFormValue("id")
	if own, _ := v.Session(); own.ID == id {
		return signOut(v, p.backend.Sessions)
	}
	switch err := p.backend.Sessions.EndSession(v.Context(), id); {
	case err != nil && pair.CodeOf(err) == pair.NotFound:
		return v.Warn("/users", "This session has ended already.")
	case err != nil:
		return err
	}
	return v.Done("/users", "The browser is signed out.")
}
