package page

import (
	"encoding/base64"
	"net/http"
)

// Cookies that hold what the next page says once.
const (
	noticeCookie  = "__Host-notice"  // what was done
	warningCookie = "__Host-warning" // why something was not done
	noticeTime    = 60               // seconds
	maxNotice     = 1024             // bytes
)

// keep has the next page say a text.
func (v *Visit) keep(cookie, text string) {
	value := base64.RawURLEncoding.EncodeToString([]byte(text[:min(len(text), maxNotice)]))
	http.SetCookie(v.Writer, onceCookie(cookie, value, noticeTime))
}

func onceCookie(name, value string, age int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
}

// once returns what was kept, and forgets it.
func (v *Visit) once(cookie string) string {
	value, err := v.Request.Cookie(cookie)
	if err != nil {
		return ""
	}
	http.SetCookie(v.Writer, onceCookie(cookie, "", -1))
	text, err := base64.RawURLEncoding.DecodeString(value.Value)
	if err != nil {
		return ""
	}
	return string(text)
}
