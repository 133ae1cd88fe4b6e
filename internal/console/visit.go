package console

import (
	"context"
	"net/http"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// visit is one request: who asks, and what the appliance is at that moment.
type visit struct {
	console *Console
	w       http.ResponseWriter
	r       *http.Request
	caller  api.Caller // Name is empty for somebody who is not signed in
	status  pair.Status
	zone    *time.Location // of the site
}

func (v *visit) ctx() context.Context { return v.r.Context() }

func (v *visit) signedIn() bool { return v.caller.Name != "" }

// may reports whether the visitor's role covers a level.
func (v *visit) may(least access) bool {
	return least == anybody || v.signedIn() && v.caller.Access.Covers(pair.Access(least))
}

// leave sends the browser to another page of the console.
func (v *visit) leave(path string) error {
	http.Redirect(v.w, v.r, Root+path, http.StatusSeeOther) //nolint:gosec // always below Root, see localPath
	return nil
}

// done leaves to a page that will say once what was done.
func (v *visit) done(path, notice string) error {
	v.keep(noticeCookie, notice)
	return v.leave(path)
}

// warn leaves to a page that will say once why something was not done.
func (v *visit) warn(path, warning string) error {
	v.keep(warningCookie, warning)
	return v.leave(path)
}
