package access

import (
	"bytes"
	"encoding/base64"
	"html/template"
	"image/png"
	"net/http"

	"github.com/pquerna/otp"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// account is My account.
type account struct{ backend Backend }

func (p account) routes() []page.Route {
	return []page.Route{
		page.Get("/account", pair.Viewer, p.page().Show),
		page.Submit("/account/password", pair.Viewer, "password", p.changePassword),
		page.Get("/account/codes", pair.Viewer, p.newCodes),
		page.Submit("/account/codes", pair.Viewer, "", p.enableCodes),
		page.Submit("/account/codes/off", pair.Viewer, "codes", p.disableCodes),
		page.Post("/account/sessions/end", pair.Viewer, p.endOwnSession),
		page.Post("/account/sessions/end-all", pair.Viewer, p.signOutEverywhere),
	}
}

// accountPage is what a person sees of their own account.
type accountPage struct {
	Account  pair.User
	Password *page.Form
	Codes    *page.Form
	Recovery int64 // codes left
	Sessions []sessionRow
}

func (p account) page() page.Of[accountPage] {
	return page.Of[accountPage]{Name: "account", Title: "My account", Read: p.read}
}

func (p account) read(v *page.Visit) (accountPage, error) {
	session, _ := v.Session()
	rows, err := sessionRows(v, p.backend.Sessions, v.Caller.Name)
	if err != nil {
		return accountPage{}, err
	}
	left, err := p.backend.Account.RecoveryCodes(v.Context(), v.Caller.Name)
	return accountPage{Account: session.Account, Password: page.NewForm("password", nil), Codes: page.NewForm("codes", nil), Recovery: int64(left), Sessions: rows}, err
}

func (p account) changePassword(v *page.Visit, f *page.Form) error {
	ticket, err := p.tryPassword(v, f)
	f.Forget("old", "password", "again")
	if err != nil {
		return p.page().Refused(v, f, err, func(data *accountPage) { data.Password = f })
	}
	if err := v.Begin(ticket); err != nil {
		return err
	}
	return v.Done("/account", "Your password is changed. You are signed out everywhere else.")
}

func (p account) tryPassword(v *page.Visit, f *page.Form) (api.Ticket, error) {
	if f.Get("password") != f.Get("again") {
		return api.Ticket{}, pair.RefuseField("again", "the two new passwords are not the same: type both again")
	}
	return p.backend.Account.ChangePassword(v.Context(), v.Caller.Name, f.Get("old"), f.Get("password"))
}

// codesPage is the way to one-time codes.
type codesPage struct {
	Form   *page.Form
	Secret string
	QR     template.URL // of the secret, to be scanned
	// Recovery is what is shown once the codes are on.
	Recovery []string
}

func (p account) newCodes(v *page.Visit) error {
	if session, _ := v.Session(); session.Account.TOTP {
		return v.Leave("/account")
	}
	key, err := p.backend.Account.NewTOTP(v.Context(), v.Caller.Name)
	if err != nil {
		return err
	}
	return showCodes(v, page.NewForm("", map[string]string{"url": key.URL}), http.StatusOK)
}

func showCodes(v *page.Visit, f *page.Form, status int) error {
	key, picture, err := qrCode(f.Get("url"))
	if err != nil {
		return pair.Refuse(pair.Usage, "the form is damaged: begin again on the account page; %w", cause.Plain(err))
	}
	return v.Show(status, "codes", "One-time codes", codesPage{Form: f, Secret: key.Secret(), QR: picture})
}

// qrCode draws what an authenticator scans. This appliance made the address, but the
// browser may have changed it since.
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

func (p account) enableCodes(v *page.Visit, f *page.Form) error {
	key, err := otp.NewKeyFromURL(f.Get("url"))
	if err != nil {
		return pair.Refuse(pair.Usage, "the form is damaged: begin again on the account page; %w", cause.Plain(err))
	}
	recovery, ticket, err := p.backend.Account.EnableTOTP(v.Context(), v.Caller.Name, api.TOTPProof{
		Password: f.Get("password"), Secret: key.Secret(), Code: f.Get("code"),
	})
	if err != nil {
		f.Forget("password", "code")
		if !f.Refused(err) {
			return err
		}
		return showCodes(v, f, page.StatusOf(err))
	}
	if err := v.Begin(ticket); err != nil {
		return err
	}
	return v.Page("recovery", "Recovery codes", codesPage{Recovery: recovery})
}

func (p account) disableCodes(v *page.Visit, f *page.Form) error {
	ticket, err := p.backend.Account.DisableTOTP(v.Context(), v.Caller.Name, f.Get("password"))
	f.Forget("password")
	if err != nil {
		return p.page().Refused(v, f, err, func(data *accountPage) { data.Codes = f })
	}
	if err := v.Begin(ticket); err != nil {
		return err
	}
	return v.Done("/account", "One-time codes are off: your password is enough now.")
}

// endOwnSession signs one of the visitor's own browsers out.
func (p account) endOwnSession(v *page.Visit) error {
	id := v.Request.PostFormValue("id")
	rows, err := sessionRows(v, p.backend.Sessions, v.Caller.Name)
	if err != nil {
		return err
	}
	for _, row := range rows {
		switch {
		case row.ID != id:
			continue
		case row.Own:
			return signOut(v, p.backend.Sessions)
		}
		if err := p.backend.Sessions.EndSession(v.Context(), id); err != nil {
			return err
		}
		return v.Done("/account", row.Browser+" at "+row.From+" is signed out.")
	}
	return v.Warn("/account", "This session has ended already.")
}

func (p account) signOutEverywhere(v *page.Visit) error {
	if err := p.backend.Sessions.SignOutEverywhere(v.Context(), v.Caller.Name); err != nil {
		return err
	}
	return v.ForgetSession()
}
