package console

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

const themeCookie = "baton-theme"

func (c *Console) themeRoutes() []route {
	return []route{post("/theme", anybody, c.chooseTheme)}
}

// themes are the choices; auto follows the browser.
func themes() []string { return []string{"auto", "light", "dark"} }

// chooseTheme keeps light, dark or auto in this browser, for the person before it.
func (c *Console) chooseTheme(v *visit) error {
	theme := v.r.PostFormValue("theme")
	if !slices.Contains(themes(), theme) {
		theme = "auto"
	}
	http.SetCookie(v.w, &http.Cookie{
		Name: themeCookie, Value: theme, Path: Root, MaxAge: 365 * 24 * 3600,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	return v.leave(localPath(v.r.PostFormValue("next")))
}

func (v *visit) theme() string {
	cookie, err := v.r.Cookie(themeCookie)
	if err != nil || !slices.Contains(themes(), cookie.Value) {
		return "auto"
	}
	return cookie.Value
}

// localPath returns the part below Root of an address of the console, or
// Status: a link must not lead away through us.
func localPath(address string) string {
	const home = "/status"
	rest, ours := strings.CutPrefix(address, Root+"/")
	if !ours || strings.ContainsAny(address, "\\\r\n\t") || strings.Contains(address, "//") {
		return home
	}
	to, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(path.Clean(to.Path), Root+"/") { // /login/.. is a page of the site
		return home
	}
	return "/" + rest
}
