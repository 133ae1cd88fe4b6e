package pair

import (
	"slices"
)

// Access is what a user or a token may do: people call it their role. Each level
// includes those before it.
type Access string

// The levels.
const (
	Viewer        Access = "viewer"        // may look
	Operator      Access = "operator"      // may also sync and switch
	Administrator Access = "administrator" // may do everything
)

// Accesses lists the levels that a user or token can have, lowest first.
func Accesses() []Access { return []Access{Viewer, Operator, Administrator} }

// ParseAccess reads a level.
func ParseAccess(text string) (Access, error) {
	if slices.Contains(Accesses(), Access(text)) {
		return Access(text), nil
	}
	return "", Refuse(Usage, "unknown role %q: use administrator, operator or viewer", text)
}

// Covers reports whether a may do what asks for least. An unknown access covers
// nothing, and nothing covers an unknown minimum.
func (a Access) Covers(least Access) bool {
	rank := slices.Index(Accesses(), a)
	needed := slices.Index(Accesses(), least)
	return rank >= 0 && needed >= 0 && rank >= needed
}
