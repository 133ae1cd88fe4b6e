package pair

import "time"

// Notifications say who is told of what. They are a document of the site, valid
// for both appliances, which each sends its own notices.
type Notifications struct {
	Mail     Mail      `json:"mail"`
	Webhooks []Webhook `json:"webhooks"`
	DailyAt  TimeOfDay `json:"daily_at"` // of the daily notice, in the site's zone
}

// DefaultNotifications tell nobody yet, and would tell what matters.
func DefaultNotifications() Notifications {
	return Notifications{
		Mail:     Mail{Port: 587, Encryption: EncryptStartTLS, To: []string{}, Tell: DefaultTell()},
		Webhooks: []Webhook{},
		DailyAt:  TimeOfDay{Hour: 8},
	}
}

// MailChannel is the id of the mail among the channels; every webhook has its own.
const MailChannel = "mail"

// Mail is the channel that sends mail through one server.
type Mail struct {
	Enabled    bool       `json:"enabled"`
	Host       string     `json:"host"` // name or address of the server
	Port       int        `json:"port"`
	Encryption Encryption `json:"encryption" enum:"starttls,tls,none"`
	User       string     `json:"user"`               // empty: no sign-in
	Password   string     `json:"password,omitempty"` // never shown; empty when saved: as it was
	From       string     `json:"from"`
	To         []string   `json:"to"`
	Tell       Tell       `json:"tell"`
}

// Encryption says how the way to a mail server is protected.
type Encryption string

// The ways. The first two are never given up for a plain one.
const (
	EncryptStartTLS Encryption = "starttls" // plain first, then encrypted before anything is said
	EncryptTLS      Encryption = "tls"      // from the first byte
	EncryptNone     Encryption = "none"
)

// Webhook is a channel that posts JSON to one address.
type Webhook struct {
	ID      string `json:"id"`   // stable; empty when saved: a new one
	Name    string `json:"name"` // for people
	Enabled bool   `json:"enabled"`
	URL     string `json:"url"`
	Secret  string `json:"secret,omitempty"` // signs what is sent; never shown; empty when saved: as it was
	Tell    Tell   `json:"tell"`
}

// Tell says what a channel is told.
type Tell struct {
	Conditions Severity `json:"conditions" enum:"none,info,warning,critical"` // conditions of this severity and above
	Cleared    bool     `json:"cleared"`                                      // also when such a condition is gone
	Kinds      []string `json:"kinds"`                                        // events of these kinds: see ToldKinds
	Daily      bool     `json:"daily"`                                        // the daily notice
}

// TellNone is the choice of no condition at all.
const TellNone = "none"

// DefaultTell is what a new channel is told.
func DefaultTell() Tell {
	return Tell{
		Conditions: Warning, Cleared: true, Daily: true,
		Kinds: []string{KindTakeover, KindHandover, KindSteppedDown, KindObserved, KindSyncFailed, KindDiverged},
	}
}

// ToldKinds lists the kinds of events that a channel can be told, those of
// conditions apart, in the order in which they are shown.
func ToldKinds() []string {
	return []string{
		KindTakeover, KindHandover, KindSteppedDown, KindRoleChanged, KindObserved, KindDiverged,
		KindSyncFailed, KindSyncDone, KindPaired, KindUnpaired, KindPairingFailed,
		KindSettingChanged, KindSignedIn, KindSignedOut, KindSignInFailed, KindStarted, KindStopped, KindReloaded, KindReloadFailed,
		KindServiceFailed, KindServiceRestarted, KindServiceStarted, KindServiceStopped, KindNotificationFailed,
	}
}

// Covers reports whether a condition of this severity is told.
func (t Tell) Covers(severity Severity) bool {
	rank := map[Severity]int{Info: 1, Warning: 2, Critical: 3}
	return rank[t.Conditions] > 0 && rank[severity] >= rank[t.Conditions]
}

// ChannelState is how one channel fares on one appliance.
type ChannelState struct {
	ID           string    `json:"id"`
	Enabled      bool      `json:"enabled"`
	SecretSet    bool      `json:"secret_set"` // its password or secret is saved
	Pending      int       `json:"pending"`    // what waits to be told
	Dropped      int       `json:"dropped"`    // events that were never told, as more waited than is kept, or for too long
	Attempts     int       `json:"attempts"`   // of the notice that is being sent
	NextAttempt  time.Time `json:"next_attempt,omitzero"`
	LastSuccess  time.Time `json:"last_success,omitzero"`
	LastFailure  time.Time `json:"last_failure,omitzero"`
	LastError    string    `json:"last_error"`             // one sentence; of the last failure
	FailingSince time.Time `json:"failing_since,omitzero"` // nothing got through since
}
