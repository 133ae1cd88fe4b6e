package pair

import "time"

// NewToken is an API token to be made.
type NewToken struct {
	Name    string    `json:"name" minLength:"1" maxLength:"64" doc:"What the token is for"`
	Role    Access    `json:"role" enum:"administrator,operator,viewer"`
	Expires time.Time `json:"expires,omitzero" doc:"Never, if absent"`
}

// Token is an API token: the key of a program. The key itself is not kept.
type Token struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Role     Access    `json:"role"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires,omitzero"`   // zero: never
	LastUsed time.Time `json:"last_used,omitzero"` // zero: never; to the minute
}

// CreatedToken is a new token with its secret, which is shown this once.
type CreatedToken struct {
	Token
	Secret string `json:"secret"`
}
