package api

import (
	"context"
	"fmt"

	"baton/internal/pair"
)

// SetupOnly is the minimum of the one route that works before there is anybody
// to hold an access: it takes the one-time setup token instead.
const SetupOnly pair.Access = "setup-token"

// Caller is who asks: for the permission and for the audit report.
type Caller struct {
	Name   string // user name, or the name of the token
	Access pair.Access
	From   string // network address, or "local" for the socket
	Local  bool   // came over the local socket
}

// String renders "anna from 198.51.100.7".
func (c Caller) String() string { return fmt.Sprintf("%s from %s", c.Name, c.From) }

type callerKey struct{}

// WithCaller returns a context that knows who asks.
func WithCaller(ctx context.Context, caller Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, caller)
}

// CallerFrom returns who asks; false if nobody has been identified.
func CallerFrom(ctx context.Context) (Caller, bool) {
	caller, known := ctx.Value(callerKey{}).(Caller)
	return caller, known
}
