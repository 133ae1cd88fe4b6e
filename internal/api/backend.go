package api

import (
	"context"
	"io"
	"net/netip"
	"time"

	"baton/internal/pair"
)

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

// Observing answers what is and what was.
type Observing interface {
	Status(ctx context.Context) (pair.Status, error)
	// WatchStatus sends the status at once, whenever it changes, and at least
	// every 10 s, until ctx ends or send fails; it returns that error.
	WatchStatus(ctx context.Context, send func(pair.Status) error) error
	// History returns the newest Limit events that match, oldest first.
	History(ctx context.Context, filter HistoryFilter) ([]pair.Event, error)
	Health(ctx context.Context) Health
	Figures(ctx context.Context) (Figures, error)
}

// Reporting answers the reports. Filters have been checked.
type Reporting interface {
	Availability(ctx context.Context, filter ReportFilter) (Availability, error)
	// EventReport answers one page of a report that lists events.
	EventReport(ctx context.Context, kind ReportKind, filter ReportFilter) (EventReport, error)
	// EachReported hands over every event of such a report, oldest first, with few
	// in memory at a time.
	EachReported(ctx context.Context, kind ReportKind, filter ReportFilter, do func(Event) error) error
}

// SettingUp makes the first administrator.
type SettingUp interface {
	// SetupToken returns the one-time token; empty once any user exists.
	SetupToken(ctx context.Context) (string, error)
	// SetUp makes the first administrator and spends the token; Refused if any
	// user exists.
	SetUp(ctx context.Context, user pair.NewUser) error
}

// Keys keeps the pre-shared key.
type Keys interface {
	Key(ctx context.Context) (KeyState, error)
	// GenerateKey returns a strong new key and saves nothing.
	GenerateKey(ctx context.Context) (string, error)
	SetKey(ctx context.Context, key string) (KeyState, error)
	// EndPreviousKey ends the key before the present one, which stays valid until
	// both appliances have proved the present one; Refused if there is none.
	EndPreviousKey(ctx context.Context) error
}

// Relationship makes and breaks the pair.
type Relationship interface {
	// PreviewPair finds out what Pair would do, and changes nothing. It fails for
	// every reason that is known to make Pair fail, except data that would be
	// replaced: the preview tells of that.
	PreviewPair(ctx context.Context, request PairRequest) (PairPreview, error)
	Pair(ctx context.Context, request PairRequest) (pair.PeerStatus, error)
	Unpair(ctx context.Context, request UnpairRequest) error
}

// Syncing starts and stops data syncs, and answers for every running task.
type Syncing interface {
	// StartSync begins a data sync, or joins the one that is running.
	StartSync(ctx context.Context, request SyncRequest) (Task, error)
	// CancelSync is Refused if none is running.
	CancelSync(ctx context.Context) error
	// Task returns a task of this run of the daemon; NotFound otherwise.
	Task(ctx context.Context, id string) (Task, error)
}

// Roles switches.
type Roles interface {
	// Preflight tells what would be in the way of a change. It changes nothing.
	Preflight(ctx context.Context, change RoleChange) ([]Check, error)
	// Loss tells what a change would lose of the newest changes, as far as known.
	Loss(ctx context.Context, change RoleChange) (Loss, error)
	// ChangeRole begins the change; what is known to be in the way is Refused.
	ChangeRole(ctx context.Context, change RoleChange) (Task, error)
}

// Caring keeps automatic actions in bounds.
type Caring interface {
	// StartMaintenance turns automatic actions off, for a while or (0) until
	// EndMaintenance.
	StartMaintenance(ctx context.Context, lasting time.Duration) error
	EndMaintenance(ctx context.Context) error
	// Resume allows automatic failover again after too many takeovers.
	Resume(ctx context.Context) error
	// Doctor tells how ready the pair is.
	Doctor(ctx context.Context) ([]Check, error)
}

// SettingsStore keeps the settings of the pair.
type SettingsStore interface {
	Settings(ctx context.Context) (Saved[pair.Settings], error)
	// SaveSettings saves validated settings that were derived from
	// settings.Version; Conflict if that is no longer the newest.
	SaveSettings(ctx context.Context, settings Saved[pair.Settings]) (Saved[pair.Settings], error)
}

// Reaching is about addresses.
type Reaching interface {
	// EnableSharedIP ticks an address of this appliance's configuration file;
	// NotFound if the file does not name it.
	EnableSharedIP(ctx context.Context, address netip.Addr) error
	DisableSharedIP(ctx context.Context, address netip.Addr) error
	// TestIPs pings the addresses, or the saved ones if there are none.
	TestIPs(ctx context.Context, addresses []netip.Addr) ([]pair.Reach, error)
}

// Notifying keeps who is told of what happens.
type Notifying interface {
	// Notifications has neither password nor secrets; the addresses of webhooks
	// are whole for administrators only.
	Notifications(ctx context.Context) (SavedNotifications, error)
	// SaveNotifications saves what was derived from notifications.Version;
	// Conflict if that is no longer the newest, Usage with its Fields if values
	// are refused.
	SaveNotifications(ctx context.Context, notifications SavedNotifications) (SavedNotifications, error)
	// TestNotification sends a test through a saved channel, mail or the id of a
	// webhook, and says in a sentence who took it.
	TestNotification(ctx context.Context, channel string) (string, error)
}

// SiteStore keeps what the site is called and shows.
type SiteStore interface {
	Site(ctx context.Context) (SavedSite, error)
	// SaveSite saves what was derived from site.Version; Conflict if that is no
	// longer the newest, Usage with its Fields if values are refused. The front
	// is not changed by it.
	SaveSite(ctx context.Context, site SavedSite) (SavedSite, error)
}

// CertificateStore keeps the site's certificate. Changes take the version that
// they were derived from; Conflict if that is no longer the newest. They are in
// force when they return.
type CertificateStore interface {
	Certificates(ctx context.Context) (Certificates, error)
	SetCertificate(ctx context.Context, certificate NewCertificate, version int64) (Certificates, error)
	// SelfSignCertificate makes one for the site's host name and the shared IPs.
	SelfSignCertificate(ctx context.Context, version int64) (Certificates, error)
	// RemoveCertificate has each appliance show its own again; Refused if there
	// is none.
	RemoveCertificate(ctx context.Context, version int64) (Certificates, error)
}

// ProtectedData lists what is synced.
type ProtectedData interface {
	// Protection tells of all of it, from what is on hand: nothing is measured.
	Protection(ctx context.Context) (Protection, error)
	// TestData tells what AddData would meet, and changes nothing.
	TestData(ctx context.Context, data DataSpec) ([]Check, error)
	// Allowance tells what may be protected on this machine.
	Allowance(ctx context.Context) (Allowance, error)
	// Allow and Disallow change that; only for a local caller.
	Allow(ctx context.Context, path string) error
	Disallow(ctx context.Context, path string) error
	Data(ctx context.Context) ([]Data, error)
	AddData(ctx context.Context, data DataSpec) error
	RemoveData(ctx context.Context, name string) error
}

// Services lists what runs on the primary only.
type Services interface {
	Services(ctx context.Context) ([]Service, error)
	AddService(ctx context.Context, service Service) error
	RemoveService(ctx context.Context, name string) error
}

// Users keeps the accounts.
type Users interface {
	Users(ctx context.Context) ([]pair.User, error)
	AddUser(ctx context.Context, user pair.NewUser) error
	// CheckUser refuses what AddUser would refuse, every field at once, and adds
	// nothing.
	CheckUser(ctx context.Context, user pair.NewUser) error
	// UpdateUser saves what was derived from user.Version; Conflict if that is no
	// longer the newest. 0: whatever the version.
	UpdateUser(ctx context.Context, user pair.UserChange) error
	SetPassword(ctx context.Context, name, password string) error
	DisableUser(ctx context.Context, name string) error
	EnableUser(ctx context.Context, name string) error
	// ResetTOTP makes a user's password enough again, as when the device that
	// makes the codes is lost.
	ResetTOTP(ctx context.Context, name string) error
}

// Tokens keeps the API tokens.
type Tokens interface {
	Tokens(ctx context.Context) ([]pair.Token, error)
	CreateToken(ctx context.Context, token pair.NewToken) (pair.CreatedToken, error)
	RevokeToken(ctx context.Context, id string) error
	// Authenticate returns who holds the secret: Name and Access. Unauthorized
	// if nobody does, or if the token has expired.
	Authenticate(ctx context.Context, secret string) (Caller, error)
}

// DivergedCopies keeps what losing sides wrote.
type DivergedCopies interface {
	DivergedCopies(ctx context.Context) ([]pair.DivergedCopy, error)
	// ExportDiverged writes the copy as a tar archive. Nothing has been written
	// if it returns NotFound.
	ExportDiverged(ctx context.Context, id string, to io.Writer) error
	DeleteDiverged(ctx context.Context, id string) error
}

// Backups saves and restores all that is set for the site, encrypted with a
// password.
type Backups interface {
	// CreateBackup writes nothing if the password is refused.
	CreateBackup(ctx context.Context, password string, to io.Writer) error
	// InspectBackup reads a backup whole, changes nothing, and keeps it for some
	// minutes, so that RestoreInspected can follow. Only the newest is kept.
	InspectBackup(ctx context.Context, password string, from io.Reader) (InspectedBackup, error)
	// RestoreInspected replaces what is set by a backup that was inspected;
	// NotFound if it is kept no longer.
	RestoreInspected(ctx context.Context, id string) error
	// RestoreBackup does both at once.
	RestoreBackup(ctx context.Context, password string, from io.Reader) error
}

// Maintaining tells what software runs here, and helps where it does not run well.
type Maintaining interface {
	Software(ctx context.Context) (Software, error)
	// Licences lists Baton's own first, then those of what is linked into it.
	Licences(ctx context.Context) ([]Licence, error)
	// SupportBundle writes what a supporter needs, without secrets, as a tar archive
	// compressed with gzip.
	SupportBundle(ctx context.Context, to io.Writer) error
}
