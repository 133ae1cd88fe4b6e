package pair

import "time"

// NewUser is an account to be made.
type NewUser struct {
	Name        string `json:"name" minLength:"1" maxLength:"64" pattern:"^[A-Za-z0-9][A-Za-z0-9._@-]*$" patternDescription:"letters, digits, and . _ @ - after the first" doc:"User name for signing in"`
	DisplayName string `json:"display_name,omitempty" maxLength:"200"`
	Mail        string `json:"mail,omitempty" maxLength:"254"`
	Role        Access `json:"role" enum:"administrator,operator,viewer"`
	Password    string `json:"password" minLength:"1" maxLength:"1024"`
}

// User is an account: of a person who may sign in.
type User struct {
	Name        string    `json:"name"`
	DisplayName string    `json:"display_name"`
	Mail        string    `json:"mail"` // empty if none
	Role        Access    `json:"role"`
	Disabled    bool      `json:"disabled"`
	LastLogin   time.Time `json:"last_login,omitzero"` // zero: never
	TOTP        bool      `json:"totp" doc:"A one-time code is asked for besides the password"`
	Version     int64     `json:"version" doc:"To be sent with a change"`
	// Stamp is another after every change that ends the user's sessions: of the
	// password, the role or the one-time codes, disabling, signing out everywhere.
	Stamp string `json:"-"`
}

// Change is the change that leaves the account as it is.
func (u User) Change() UserChange {
	return UserChange{Name: u.Name, DisplayName: u.DisplayName, Mail: u.Mail, Role: u.Role, Version: u.Version}
}

// UserChange is an account as it shall be. Its password and whether it is
// disabled are changed apart.
type UserChange struct {
	Name        string `json:"-"`
	DisplayName string `json:"display_name,omitempty" maxLength:"200"`
	Mail        string `json:"mail,omitempty" maxLength:"254"`
	Role        Access `json:"role" enum:"administrator,operator,viewer"`
	Version     int64  `json:"version,omitempty" minimum:"0" doc:"Change only if this is still the version"`
}

// Keys implements Keyed. Package store judges the mail address, of which it needs a parser.
func (UserChange) Keys() []Key[UserChange] {
	return []Key[UserChange]{
		textKey("display_name", "Display name", func(u *UserChange) *string { return &u.DisplayName }).
			within(func(u UserChange) bool { return len(u.DisplayName) <= 200 }, "use at most 200 characters"),
		textKey("mail", "Mail", func(u *UserChange) *string { return &u.Mail }),
		textKey("role", "Role", func(u *UserChange) *Access { return &u.Role }).
			checked(func(u UserChange) error { _, err := ParseAccess(string(u.Role)); return err }),
	}
}
