package access

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"baton/internal/console/page"
	"baton/internal/pair"
)

const tokensPath = "/management/api"

// tokens is Management > API.
type tokens struct{ backend Backend }

func (p tokens) routes() []page.Route {
	return []page.Route{
		page.Get(tokensPath, pair.Administrator, p.page().Show),
		page.Submit(tokensPath, pair.Administrator, "", p.create),
		page.Get(tokensPath+"/revoke", pair.Administrator, p.askRevoke),
		page.Submit(tokensPath+"/revoke", pair.Administrator, "", p.revoke),
	}
}

// tokensPage is what Management > API shows.
type tokensPage struct {
	Tokens  []pair.Token
	Form    *page.Form
	Created *pair.CreatedToken // shown this once
	Host    string             // as the visitor reached this appliance
	Now     time.Time
	Zone    *time.Location
}

// revokePage asks whether a token should end.
type revokePage struct {
	Token pair.Token
	Zone  *time.Location
}

// Expired reports whether a token is no longer valid.
func (p tokensPage) Expired(token pair.Token) bool {
	return !token.Expires.IsZero() && !p.Now.Before(token.Expires)
}

// lifetimes are the choices of how long a token is valid, in days.
func lifetimes() map[string]int { return map[string]int{"30": 30, "90": 90, "365": 365} }

func newTokenForm() *page.Form {
	return page.NewForm("", map[string]string{"role": string(pair.Viewer), "expires": "90"})
}

func (p tokens) page() page.Of[tokensPage] {
	return page.Of[tokensPage]{Name: "tokens", Title: "API", Read: p.read}
}

func (p tokens) read(v *page.Visit) (tokensPage, error) {
	tokens, err := p.backend.Tokens.Tokens(v.Context())
	return tokensPage{Tokens: tokens, Form: newTokenForm(), Host: v.Request.Host, Now: v.Now(), Zone: v.Zone}, err
}

// create answers with the page itself, not with a redirect: the secret is
// shown this once, and must be in no address.
func (p tokens) create(v *page.Visit, f *page.Form) error {
	wanted := pair.NewToken{Name: strings.TrimSpace(f.Get("name")), Role: pair.Access(f.Get("role"))}
	if wanted.Name == "" {
		f.Refuse("name", "name what the token is for, as monitor")
	}
	if _, err := pair.ParseAccess(f.Get("role")); err != nil {
		f.Refuse("role", "choose viewer, operator or administrator")
	}
	if days, limited := lifetimes()[f.Get("expires")]; limited {
		wanted.Expires = v.Now().AddDate(0, 0, days)
	} else if f.Get("expires") != "never" {
		f.Refuse("expires", "choose how long the token is good for")
	}
	if f.Right() {
		created, err := p.backend.Tokens.CreateToken(v.Context(), wanted)
		if err == nil {
			return p.page().With(v, http.StatusOK, func(data *tokensPage) { data.Created = &created })
		}
		if !f.Refused(err) {
			return err
		}
	}
	return p.page().With(v, http.StatusUnprocessableEntity, func(data *tokensPage) { data.Form = f })
}

// askRevoke shows the token that is about to end.
func (p tokens) askRevoke(v *page.Visit) error {
	tokens, err := p.backend.Tokens.Tokens(v.Context())
	if err != nil {
		return err
	}
	id := v.Request.URL.Query().Get("id")
	i := slices.IndexFunc(tokens, func(token pair.Token) bool { return token.ID == id })
	if i < 0 {
		return pair.Refuse(pair.NotFound, "there is no token %q any more: somebody may have revoked it already", id)
	}
	return v.Page("revoke", "Revoke a token", revokePage{tokens[i], v.Zone})
}

func (p tokens) revoke(v *page.Visit, f *page.Form) error {
	if err := p.backend.Tokens.RevokeToken(v.Context(), f.Get("id")); err != nil {
		return err
	}
	return v.Done(tokensPath, "The token "+f.Get("id")+" is revoked.")
}
