package page

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

const themeCookie = "baton-theme"

// themes are the choices; auto follows the browser.
func themes() []string { return []string{"auto", "light", "dark"} }

// chooseTheme keeps light, dark or auto in this browser, for the person before it.
func chooseTheme(v *Visit) error {
	theme := v.Request.PostFormValue("theme")
	if !slices.Contains(themes(), theme) {
		theme = "auto"
	}
	http.SetCookie(v.Writer, &http.Cookie{
		Name: themeCookie, Value: theme, Path: Root, MaxAge: 365 * 24 * 3600,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	return v.Leave(LocalPath(v.Request.PostFormValue("next")))
}

func (v *Visit) theme() string {
	cookie, err := v.Request.Cookie(themeCookie)
	if err != nil || !slices.Contains(themes(), cookie.Value) {
		return "auto"
	}
	return cookie.Value
}

// LocalPath returns the part below Root of an address of the console. For any other
// address it returns Status: no link may lead a browser elsewhere through the console.
func LocalPath(address string) string {
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
