package console

import (
	"slices"
	"strings"
	"time"

	"baton/internal/pair"
)

const tokensPath = "/management/api"

func (c *Console) tokenRoutes() []route {
	return []route{
		get(tokensPath, administrator, c.showTokens),
		post(tokensPath, administrator, c.createToken),
		get(tokensPath+"/revoke", administrator, c.askRevoke),
		post(tokensPath+"/revoke", administrator, c.revokeToken),
	}
}

// tokensPage is what Management > API shows.
type tokensPage struct {
	Tokens  []pair.Token
	Form    *form
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

// Expired reports whether a token is of no use any more.
func (p tokensPage) Expired(token pair.Token) bool {
	return !token.Expires.IsZero() && !p.Now.Before(token.Expires)
}

// lifetimes are the choices of how long a token is good for, in days.
func lifetimes() map[string]int { return map[string]int{"30": 30, "90": 90, "365": 365} }

func (v *visit) tokensPage(f *form) (tokensPage, error) {
	tokens, err := v.console.backend.Tokens.Tokens(v.ctx())
	return tokensPage{Tokens: tokens, Form: f, Host: v.r.Host, Now: v.console.now(), Zone: v.zone}, err
}

func (c *Console) showTokens(v *visit) error {
	page, err := v.tokensPage(newForm(map[string]string{"role": string(pair.Viewer), "expires": "90"}))
	if err != nil {
		return err
	}
	return v.page("tokens", "API", page)
}

// createToken answers with the page itself, not with a redirect: the secret is
// shown this once, and must be in no address.
func (c *Console) createToken(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	wanted := pair.NewToken{Name: strings.TrimSpace(f.get("name")), Role: pair.Access(f.get("role"))}
	if wanted.Name == "" {
		f.refuse("name", "name what the token is for, as monitor")
	}
	if _, err := pair.ParseAccess(f.get("role")); err != nil {
		f.refuse("role", "choose viewer, operator or administrator")
	}
	if days, limited := lifetimes()[f.get("expires")]; limited {
		wanted.Expires = c.now().AddDate(0, 0, days)
	} else if f.get("expires") != "never" {
		f.refuse("expires", "choose how long the token is good for")
	}
	var created pair.CreatedToken
	if f.right() {
		if created, err = c.backend.Tokens.CreateToken(v.ctx(), wanted); err != nil && !f.refused(err) {
			return err
		}
	}
	if !f.right() {
		page, err := v.tokensPage(f)
		if err != nil {
			return err
		}
		return v.again("tokens", "API", page)
	}
	page, err := v.tokensPage(newForm(map[string]string{"role": string(pair.Viewer), "expires": "90"}))
	if err != nil {
		return err
	}
	page.Created = &created
	return v.page("tokens", "API", page)
}

// askRevoke shows the token that is about to end.
func (c *Console) askRevoke(v *visit) error {
	tokens, err := c.backend.Tokens.Tokens(v.ctx())
	if err != nil {
		return err
	}
	id := v.r.URL.Query().Get("id")
	i := slices.IndexFunc(tokens, func(token pair.Token) bool { return token.ID == id })
	if i < 0 {
		return pair.Refuse(pair.NotFound, "there is no token %q any more: somebody may have revoked it already", id)
	}
	return v.page("revoke", "Revoke a token", revokePage{tokens[i], v.zone})
}

func (c *Console) revokeToken(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	if err := c.backend.Tokens.RevokeToken(v.ctx(), f.get("id")); err != nil {
		return err
	}
	return v.done(tokensPath, "The token "+f.get("id")+" is revoked.")
}
