package api

import (
	"context"
	"fmt"
	"slices"

	"baton/internal/pair"
)

// Access is what a user or a token may do. Each level includes those before it.
type Access string

// The levels. They are the roles of users and tokens.
const (
	Viewer        Access = "viewer"        // may look
	Operator      Access = "operator"      // may also sync and switch
	Administrator Access = "administrator" // may do everything
)

// SetupOnly is the minimum of the one route that works before there is anybody
// to hold an access: it takes the one-time setup token instead.
const SetupOnly Access = "setup-token"

// Accesses lists the levels that a user or token can have, lowest first.
func Accesses() []Access { return []Access{Viewer, Operator, Administrator} }

// ParseAccess reads a level.
func ParseAccess(text string) (Access, error) {
	if slices.Contains(Accesses(), Access(text)) {
		return Access(text), nil
	}
	return "", pair.Refuse(pair.Usage, "unknown role %q: use administrator, operator or viewer", text)
}

// Covers reports whether a may do what asks for least. An unknown access covers
// nothing, and nothing covers an unknown minimum.
func (a Access) Covers(least Access) bool {
	rank := slices.Index(Accesses(), a)
	needed := slices.Index(Accesses(), least)
	return rank >= 0 && needed >= 0 && rank >= needed
}

// Caller is who asks: for the permission and for the audit report.
type Caller struct {
	Name   string // user name, or the name of the token
	Access Access
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
