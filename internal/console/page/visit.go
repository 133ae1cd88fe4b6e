package page

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// Visit is one request: who asks, and what the appliance is at that moment.
type Visit struct {
	Writer  http.ResponseWriter
	Request *http.Request
	Caller  api.Caller // Name is empty for somebody who is not signed in
	Status  pair.Status
	Zone    *time.Location // of the site

	server *Server
}

// Context is that of the request; it names the caller to the backend.
func (v *Visit) Context() context.Context { return v.Request.Context() }

// Now is the present time.
func (v *Visit) Now() time.Time { return v.server.now() }

// Log is the console's.
func (v *Visit) Log() *slog.Logger { return v.server.log }

// SignedIn reports whether the visitor is.
func (v *Visit) SignedIn() bool { return v.Caller.Name != "" }

// May reports whether the visitor's role covers an access.
func (v *Visit) May(least pair.Access) bool {
	return least == Anybody || v.SignedIn() && v.Caller.Access.Covers(least)
}

// Leave sends the browser to another page of the console.
func (v *Visit) Leave(path string) error {
	http.Redirect(v.Writer, v.Request, Root+path, http.StatusSeeOther) //nolint:gosec // always below Root, see LocalPath
	return nil
}

// Done leaves to a page that will say once what was done.
func (v *Visit) Done(path, notice string) error {
	v.keep(noticeCookie, notice)
	return v.Leave(path)
}

// Warn leaves to a page that will say once why something was not done.
func (v *Visit) Warn(path, warning string) error {
	v.keep(warningCookie, warning)
	return v.Leave(path)
}

// WarnOf leaves to a page with what a person should know of an error; any other error
// is returned.
func (v *Visit) WarnOf(path string, err error) error {
	f := NewForm("", nil)
	if !f.Refused(err) {
		return err
	}
	if f.Problem == "" {
		f.Problem = Sentence(err.Error())
	}
	return v.Warn(path, f.Problem)
}
