package pair

// Actor is who did something, for the audit: a user, a token, or the program.
type Actor struct {
	Name string
	From string // network address, "local" for the socket, or empty: the program itself
}

// String renders "anna from 198.51.100.7".
func (a Actor) String() string {
	if a.From == "" {
		return a.Name
	}
	return a.Name + " from " + a.From
}

// Note returns the details of an event that tell of the actor.
func (a Actor) Note() map[string]string {
	detail := map[string]string{"by": a.Name}
	if a.From != "" {
		detail["from"] = a.From
	}
	return detail
}
