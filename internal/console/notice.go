package console

import (
	"encoding/base64"
	"net/http"
)

// What is said once on the next page lies in a cookie of its own until then.
const (
	noticeCookie  = "__Host-notice"  // what was done
	warningCookie = "__Host-warning" // why something was not done
	noticeTime    = 60               // seconds
	maxNotice     = 1024             // bytes
)

func (v *visit) keep(cookie, text string) {
	value := base64.RawURLEncoding.EncodeToString([]byte(text[:min(len(text), maxNotice)]))
	http.SetCookie(v.w, v.onceCookie(cookie, value, noticeTime))
}

func (v *visit) onceCookie(name, value string, age int) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
}

// once returns what was kept, and forgets it.
func (v *visit) once(cookie string) string {
	kept, err := v.r.Cookie(cookie)
	if err != nil {
		return ""
	}
	http.SetCookie(v.w, v.onceCookie(cookie, "", -1))
	text, err := base64.RawURLEncoding.DecodeString(kept.Value)
	if err != nil {
		return ""
	}
	return string(text)
}
