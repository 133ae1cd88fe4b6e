package console

import (
	"bytes"
	"encoding/base64"
	"html/template"
	"image/png"

	"github.com/pquerna/otp"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/pair"
)

func (c *Console) accountRoutes() []route {
	return []route{
		get("/account", viewer, c.showAccount),
		post("/account/password", viewer, c.changePassword),
		get("/account/codes", viewer, c.showCodes),
		post("/account/codes", viewer, c.enableCodes),
		post("/account/codes/off", viewer, c.disableCodes),
		post("/account/sessions/end", viewer, c.endOwnSession),
		post("/account/sessions/end-all", viewer, c.signOutEverywhere),
	}
}

// accountPage is what a person sees of their own account.
type accountPage struct {
	Account  pair.User
	Password *form
	Codes    *form
	Recovery int64 // codes left
	Sessions []sessionRow
}

func (c *Console) showAccount(v *visit) error { return v.accountPage(newForm(nil), newForm(nil), 0) }

// accountPage shows the page with its two forms as they are; status 0: nothing
// was refused.
func (v *visit) accountPage(password, codes *form, status int) error {
	session, _ := v.console.session(v.ctx())
	password.ID, codes.ID = "password", "codes"
	rows, err := v.sessionRows(v.caller.Name)
	if err != nil {
		return err
	}
	left, err := v.console.backend.Account.RecoveryCodes(v.ctx(), v.caller.Name)
	if err != nil {
		return err
	}
	page := accountPage{Account: session.Account, Password: password, Codes: codes, Recovery: int64(left), Sessions: rows}
	if status == 0 {
		return v.page("account", "My account", page)
	}
	return v.show(status, "account", "My account", page)
}

func (c *Console) changePassword(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	ticket, err := c.tryPassword(v, f)
	f.forget("old", "password", "again")
	if err != nil {
		if !f.refused(err) {
			return err
		}
		return v.accountPage(f, newForm(nil), statusOf(pair.CodeOf(err)))
	}
	if err := v.begin(ticket); err != nil {
		return err
	}
	return v.done("/account", "Your password is changed. You are signed out everywhere else.")
}

func (c *Console) tryPassword(v *visit, f *form) (api.Ticket, error) {
	if f.get("password") != f.get("again") {
		return api.Ticket{}, refuseField("again", "the two new passwords are not the same: type both again")
	}
	return c.backend.Account.ChangePassword(v.ctx(), v.caller.Name, f.get("old"), f.get("password"))
}

// codesPage is the way to one-time codes.
type codesPage struct {
	Form   *form
	Secret string
	QR     template.URL // of the secret, to be scanned
	// Recovery is what is shown once the codes are on.
	Recovery []string
}

func (c *Console) showCodes(v *visit) error {
	if session, _ := c.session(v.ctx()); session.Account.TOTP {
		return v.leave("/account")
	}
	key, err := c.backend.Account.NewTOTP(v.ctx(), v.caller.Name)
	if err != nil {
		return err
	}
	return v.codesPage(newForm(map[string]string{"url": key.URL}), 200)
}

func (v *visit) codesPage(f *form, status int) error {
	key, picture, err := qrCode(f.get("url"))
	if err != nil {
		return pair.Refuse(pair.Usage, "the form is damaged: begin again on the account page; %w", cause.Plain(err))
	}
	return v.show(status, "codes", "One-time codes", codesPage{Form: f, Secret: key.Secret(), QR: picture})
}

// qrCode draws what an authenticator scans. The address was made here, but has
// been in the browser's hands.
func qrCode(address string) (*otp.Key, template.URL, error) {
	const size = 232
	key, err := otp.NewKeyFromURL(address)
	if err != nil {
		return nil, "", err
	}
	picture, err := key.Image(size, size)
	if err != nil {
		return nil, "", err
	}
	var text bytes.Buffer
	if err := png.Encode(&text, picture); err != nil {
		return nil, "", err
	}
	return key, template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(text.Bytes())), nil //nolint:gosec // nothing of it can be read as markup
}

func (c *Console) enableCodes(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	key, err := otp.NewKeyFromURL(f.get("url"))
	if err != nil {
		return pair.Refuse(pair.Usage, "the form is damaged: begin again on the account page; %w", cause.Plain(err))
	}
	recovery, ticket, err := c.backend.Account.EnableTOTP(v.ctx(), v.caller.Name, api.TOTPProof{
		Password: f.get("password"), Secret: key.Secret(), Code: f.get("code"),
	})
	if err != nil {
		f.forget("password", "code")
		if !f.refused(err) {
			return err
		}
		return v.codesPage(f, statusOf(pair.CodeOf(err)))
	}
	if err := v.begin(ticket); err != nil {
		return err
	}
	return v.page("recovery", "Recovery codes", codesPage{Recovery: recovery})
}

func (c *Console) disableCodes(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	ticket, err := c.backend.Account.DisableTOTP(v.ctx(), v.caller.Name, f.get("password"))
	f.forget("password")
	if err != nil {
		if !f.refused(err) {
			return err
		}
		return v.accountPage(newForm(nil), f, statusOf(pair.CodeOf(err)))
	}
	if err := v.begin(ticket); err != nil {
		return err
	}
	return v.done("/account", "One-time codes are off: your password is enough now.")
}

// endOwnSession signs one of the visitor's own browsers out.
func (c *Console) endOwnSession(v *visit) error {
	id := v.r.PostFormValue("id")
	rows, err := v.sessionRows(v.caller.Name)
	if err != nil {
		return err
	}
	for _, row := range rows {
		switch {
		case row.ID != id:
			continue
		case row.Own:
			return c.signOut(v)
		}
		if err := c.backend.Sessions.EndSession(v.ctx(), id); err != nil {
			return err
		}
		return v.done("/account", row.Browser+" at "+row.From+" is signed out.")
	}
	return v.warn("/account", "This session has ended already.")
}

func (c *Console) signOutEverywhere(v *visit) error {
	if err := c.backend.Sessions.SignOutEverywhere(v.ctx(), v.caller.Name); err != nil {
		return err
	}
	return v.signedOut()
}
