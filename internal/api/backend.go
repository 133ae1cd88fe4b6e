package api

// Backend is the contract with the appliance, one part for each subject. Who asks is
// in the context (CallerFrom): the server has already checked that they may, the
// backend writes the audit. Failures that a person should read are *pair.Refusal; any
// other error is logged and shown as a plain failure.
type Backend struct {
	Overview      Overview
	Reports       Reports
	Setup         Setup
	Keys          Keys
	Relationship  Relationship
	Syncs         Syncs
	Roles         Roles
	Upkeep        Upkeep
	Settings      Settings
	Addresses     Addresses
	Notifications Notifications
	Site          Site
	Certificates  CertificateStore
	Data          ProtectedData
	Services      Services
	Users         Users
	SignIn        SignIn
	Sessions      Sessions
	Account       Account
	Security      Security
	Tokens        Tokens
	Diverged      DivergedCopies
	Points        RestorePoints
	Backups       Backups
	Software      Maintaining
}
