package page

import (
	"net/http"
	"time"

	"baton/internal/api/pace"
)

// policy lets a page load from its own appliance only, and be framed nowhere.
// Bootstrap's style sheet draws check marks with data: images.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// MaxForm is how much a form may send, in bytes; uploads have a bound of their own.
const MaxForm = 1 << 20

// Bounds of what strangers may send.
const (
	maxSmallForm = 16 << 10         // bytes of a form that anybody may send
	formTime     = 30 * time.Second // for a body to arrive; an uploaded backup gets more
)

// hardened sets what every answer of the console says to the browser.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		header.Set("Cache-Control", "no-store")
		if r.ContentLength != 0 {
			r.Body = pace.TimedBody(w, r.Body, formTime)
		}
		next.ServeHTTP(w, r)
	})
}
