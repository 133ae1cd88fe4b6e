package console

import (
	"io"
	"net/http"
	"time"
)

// policy lets a page load from its own appliance only, and be framed nowhere.
// Bootstrap's style sheet draws check marks with data: images.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// maxForm is how much a form may send, in bytes; uploads have a bound of their own.
const maxForm = 1 << 20

// Bounds of what strangers may send.
const (
	maxSmallForm = 16 << 10         // bytes of a form that anybody may send
	formTime     = 30 * time.Second // for a body to arrive; a backup gets more
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
			r.Body = newTimedBody(w, r.Body)
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody is a body that has to arrive within a time, so that nobody keeps a
// connection by sending a byte now and then.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func newTimedBody(w http.ResponseWriter, body io.ReadCloser) *timedBody {
	made := &timedBody{body, http.NewResponseController(w)}
	_ = made.control.SetReadDeadline(time.Now().Add(formTime)) // a test's writer may have none
	return made
}

// Read implements io.Reader. Once all has arrived the time counts no more: the
// answer may take longer, and a deadline that passes would end its request.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
