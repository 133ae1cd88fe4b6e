// Package access has the pages about who may use the appliance: sign-in and setup, one's
// own account, Users, Management > Security and Management > API.
package access

import (
	"embed"
	"slices"

	"baton/internal/api"
	"baton/internal/console/page"
)

// Backend is what the pages need of the appliance.
type Backend struct {
	Setup    api.Setup
	SignIn   api.SignIn
	Sessions api.Sessions
	Account  api.Account
	Users    api.Users
	Security api.Security
	Keys     api.Keys
	Tokens   api.Tokens
}

//go:embed templates
var files embed.FS

// Section is the pages about who may use the appliance.
func Section(backend Backend) page.Section {
	return page.Section{Templates: files, Routes: slices.Concat(
		signIn{backend}.routes(),
		account{backend}.routes(),
		users{backend}.routes(),
		security{backend}.routes(),
		tokens{backend}.routes(),
	)}
}
