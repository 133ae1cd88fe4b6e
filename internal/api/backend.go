package api

// Backend is the contract with the appliance, one part for each subject. Who asks is
// in the context (CallerFrom): the server has already checked that they may, the
// backend writes the audit. Failures that a person should read are *pair.Refusal; any
// other error is logged and shown as a plain failure.
type Backend struct {
	Overview      Observing
	Reports       Reporting
	Setup         SettingUp
	Keys          Keys
	Relationship  Relationship
	Syncs         Syncing
	Roles         Roles
	Upkeep        Caring
	Settings      SettingsStore
	Addresses     Reaching
	Notifications Notifying
	Site          SiteStore
	Certificates  CertificateStore
	Data          ProtectedData
	Services      Services
	Users         Users
	SignIn        SigningIn
	Sessions      Sessions
	Account       OwnAccount
	Security      Guarding
	Tokens        Tokens
	Diverged      DivergedCopies
	Backups       Backups
	Software      Maintaining
}
