package pair

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
