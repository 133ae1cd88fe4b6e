package pair

import (
	"strconv"
	"time"
)

// Severity ranks conditions.
type Severity string

// The severities.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Condition is something that an administrator should know now.
type Condition struct {
	ID       string    `json:"id"` // stable, as peer-unreachable
	Severity Severity  `json:"severity"`
	Text     string    `json:"text"`      // one sentence: what is
	NextStep string    `json:"next_step"` // one sentence: what to do
	Since    time.Time `json:"since"`
	Reason   string    `json:"-"` // why it came, which is in the text as well; empty: nothing is known
}

// ReasonText is the sentence that tells why a condition came.
func (c Condition) ReasonText() string { return "The reason: " + c.Reason + "." }

// Event is something that happened: appended to the history, never changed,
// merged from both appliances.
type Event struct {
	ID        string            `json:"id"` // unique: appliance id, then the appliance's own running number
	Time      time.Time         `json:"time"`
	Appliance ApplianceID       `json:"appliance"`
	Kind      string            `json:"kind"` // one of the Kind constants
	Text      string            `json:"text"` // one sentence
	Detail    map[string]string `json:"detail,omitempty"`
}

// DetailBySync marks, in the details of an event, a change of the site that reaches
// the backup with a data sync only: of users, tokens, protected data. Settings are
// told at once.
const DetailBySync = "by_sync"

// DetailCause holds, in the details of an event, what a library said of a failure:
// for a reader who needs more than the sentence.
const DetailCause = "cause"

// EventID returns the id of an appliance's event with a running number.
func EventID(appliance ApplianceID, seq int64) string {
	return string(appliance) + "-" + strconv.FormatInt(seq, 10)
}

// Kinds of events.
const (
	KindRoleChanged        = "role-changed"
	KindTakeover           = "takeover"
	KindHandover           = "handover"
	KindSteppedDown        = "stepped-down"
	KindObserved           = "observed" // observe only: what would have been done
	KindPaired             = "paired"
	KindUnpaired           = "unpaired"
	KindPairingFailed      = "pairing-failed"
	KindSyncDone           = "sync-done"
	KindSyncFailed         = "sync-failed"
	KindDiverged           = "diverged"
	KindConditionRaised    = "condition-raised"
	KindConditionCleared   = "condition-cleared"
	KindSignedIn           = "signed-in"
	KindSignedOut          = "signed-out"
	KindSignInFailed       = "sign-in-failed"
	KindSettingChanged     = "setting-changed"
	KindStarted            = "started"
	KindStopped            = "stopped"
	KindReloaded           = "reloaded"
	KindReloadFailed       = "reload-failed"
	KindServiceStarted     = "service-started"     // took_ms: until it passed its check
	KindServiceStopped     = "service-stopped"     // took_ms: until nothing was left of it
	KindServiceRestarted   = "service-restarted"   // it had ended by itself
	KindServiceFailed      = "service-failed"      // it does not start or stop, ends too often, or fails its check
	KindDailyNotice        = "daily-notice"        // the daily notice was sent, by this appliance
	KindNotificationFailed = "notification-failed" // a notice was given up
)

// Kinds lists the kinds of events.
func Kinds() []string {
	return []string{
		KindRoleChanged, KindTakeover, KindHandover, KindSteppedDown, KindObserved, KindPaired,
		KindUnpaired, KindPairingFailed, KindSyncDone, KindSyncFailed, KindDiverged, KindConditionRaised,
		KindConditionCleared, KindSignedIn, KindSignedOut, KindSignInFailed, KindSettingChanged, KindStarted,
		KindStopped, KindReloaded, KindReloadFailed, KindServiceStarted, KindServiceStopped, KindServiceRestarted, KindServiceFailed, KindDailyNotice, KindNotificationFailed,
	}
}

// Status is what `baton status --json` and GET /api/v1/status answer.
type Status struct {
	Appliance       ApplianceStatus  `json:"appliance"`
	Role            Role             `json:"role"`
	State           Phase            `json:"state"`
	Epoch           Epoch            `json:"epoch"`
	Since           time.Time        `json:"since"` // when the role last changed
	Site            SiteStatus       `json:"site"`
	Peer            *PeerStatus      `json:"peer,omitempty"`
	SharedIPs       []SharedIPStatus `json:"shared_ips"`
	Sync            SyncStatus       `json:"sync"`
	Services        []ServiceStatus  `json:"services"`
	ProtectionLevel int              `json:"protection_level"` // 1 to 4; 0: no peer answers that is the other half of the pair
	Conditions      []Condition      `json:"conditions"`

	ProtectionNextStep string            `json:"protection_next_step"` // one sentence: what would raise the level; empty: it is the highest
	Readiness          *Readiness        `json:"readiness,omitempty"`  // absent while not paired
	Maintenance        MaintenanceStatus `json:"maintenance"`
	Former             []Named           `json:"former,omitempty"` // no longer in the pair, and in its history
}

// NameOf names an appliance of the pair, or one that was; another one by its short id.
func (s Status) NameOf(id ApplianceID) string {
	switch {
	case id == s.Appliance.ID:
		return s.Appliance.Name
	case s.Peer != nil && id == s.Peer.ID:
		return s.Peer.Name
	}
	for _, former := range s.Former {
		if former.ID == id {
			return former.Name
		}
	}
	return id.Short()
}

// Named is an appliance and what it calls itself.
type Named struct {
	ID   ApplianceID `json:"id"`
	Name string      `json:"name"`
}

// SiteState says whether the site is served.
type SiteState string

// The states of the site.
const (
	SiteUp        SiteState = "up"
	SiteDown      SiteState = "down"
	SiteSwitching SiteState = "switching" // a planned switch is under way, and requests wait
	SiteUnknown   SiteState = "unknown"   // not served here, and the peer does not tell
)

// SiteStatus is the site as this appliance knows it.
type SiteStatus struct {
	State       SiteState `json:"state"`
	ServedBy    string    `json:"served_by"`    // name of an appliance; empty: nobody, or not known
	ProtectedBy string    `json:"protected_by"` // name of the one that would take over by itself; empty: nobody
	Text        string    `json:"text"`         // all of it in one sentence
}

// Tone ranks it for colours: good, info, warning or critical.
func (s SiteStatus) Tone() string {
	switch {
	case s.State == SiteDown:
		return "critical"
	case s.State == SiteSwitching:
		return "info"
	case s.State == SiteUp && s.ProtectedBy != "":
		return "good"
	}
	return "warning"
}

// ApplianceStatus names this appliance.
type ApplianceStatus struct {
	ID      ApplianceID `json:"id"`
	Name    string      `json:"name"`
	Version string      `json:"version"`
	Address string      `json:"address"` // host:port at which a peer would reach it; empty: it has none
}

// PeerStatus is what is known of the peer.
type PeerStatus struct {
	ID               ApplianceID `json:"id"`
	Name             string      `json:"name"`
	Address          string      `json:"address"` // host:port
	Role             Role        `json:"role"`    // as last heard
	Reachable        bool        `json:"reachable"`
	LastContact      time.Time   `json:"last_contact"`
	LastContactAgeMS int64       `json:"last_contact_age_ms"` // -1: never since start

	State       Phase       `json:"state"` // as last heard, like Epoch, Serving and Sick
	Epoch       Epoch       `json:"epoch"`
	Version     string      `json:"version"`      // of the product
	Serving     bool        `json:"serving"`      // holds the shared IP and answers for the site
	Sick        bool        `json:"sick"`         // its site fails its health checks
	LastCheck   time.Time   `json:"last_check"`   // when it was last heard, or last asked in vain
	CheckFailed string      `json:"check_failed"` // why the last check got no answer; empty if it did
	Report      *PeerReport `json:"report,omitempty"`
}

// SharedIPStatus is one configured address.
type SharedIPStatus struct {
	Address   string `json:"address"`
	Interface string `json:"interface"`
	Shared    bool   `json:"shared"` // ticked by an administrator
	Held      bool   `json:"held"`   // on the interface now
}

// SyncState says what the data sync is doing.
type SyncState string

// The sync states.
const (
	SyncIdle    SyncState = "idle"
	SyncRunning SyncState = "running"
	SyncFailed  SyncState = "failed"
)

// SyncStatus is the running or last data sync.
type SyncStatus struct {
	Number     uint64         `json:"number"`
	State      SyncState      `json:"state"`
	Snapshot   SnapshotStatus `json:"snapshot"`
	DataAgeMS  int64          `json:"data_age_ms"` // -1: no snapshot
	BytesDone  int64          `json:"bytes_done"`
	BytesTotal int64          `json:"bytes_total"`
	FilesDone  int64          `json:"files_done"`
	FilesTotal int64          `json:"files_total"`
	Speed      int64          `json:"bytes_per_second"`   // lately; 0 unless running
	LeftMS     int64          `json:"left_ms"`            // estimate; 0: not known
	Error      string         `json:"error"`              // one sentence; empty unless failed
	NextRun    *time.Time     `json:"next_run,omitempty"` // of the schedule
}

// SnapshotStatus is the newest complete snapshot.
type SnapshotStatus struct {
	Number   uint64    `json:"number"`
	TakenAt  time.Time `json:"taken_at"`
	Verified bool      `json:"verified"`
	SkewMS   int64     `json:"skew_ms,omitempty"` // how far apart the moments are as of which its directories were looked at
}

// ServiceStatus is one service that runs on the primary only.
type ServiceStatus struct {
	Name    string `json:"name"`
	What    string `json:"what"`            // its unit, or its command
	Check   string `json:"check,omitempty"` // how it is found out whether it works
	Wanted  string `json:"wanted"`          // running or stopped
	State   string `json:"state"`           // running, stopped or failed
	Healthy bool   `json:"healthy"`
	Trouble string `json:"trouble,omitempty"` // why it is not healthy
	Parked  bool   `json:"parked,omitempty"`  // an operator has stopped it
	Refused string `json:"refused,omitempty"` // why root does not let it run on this machine; empty: root does
	// Since is when it last began to run, or ended; zero: not known.
	Since     time.Time   `json:"since,omitzero"`
	LastStart *ServiceAct `json:"last_start,omitempty"` // by Baton on this machine; nil: none
	LastStop  *ServiceAct `json:"last_stop,omitempty"`  // likewise
	Restarts  int64       `json:"restarts"`             // how often it ended by itself and was started again on this machine, since it was added
	// Ran is when a timer that runs what it missed has last run its job, as known here; zero: no such timer.
	Ran time.Time `json:"ran,omitzero"`
}

// HealthText says in a word or two how a service is; empty: it does not run, and nothing is wrong with that.
func (s ServiceStatus) HealthText() string {
	switch {
	case s.Trouble != "", s.State == "running" && !s.Healthy:
		return "sick"
	case s.State != "running":
		return ""
	case s.Check == "":
		return "no check"
	}
	return "healthy"
}

// ServiceAct is the start or the stop of a service.
type ServiceAct struct {
	At     time.Time `json:"at"`      // when it began
	TookMS int64     `json:"took_ms"` // until it was started and passed its check, or until nothing of it was left
}

// Reach is the result of pinging one test IP, from both appliances of a pair: what
// decides on a takeover is what the backup reaches.
type Reach struct {
	IP        string     `json:"ip"`
	Reachable bool       `json:"reachable"`
	RTTMS     float64    `json:"rtt_ms"`         // round trip in milliseconds; 0 unless reachable
	Reason    string     `json:"reason"`         // why not; empty if reachable
	Peer      *PeerReach `json:"peer,omitempty"` // absent while not paired
}

// PeerReach is the same from the peer.
type PeerReach struct {
	Name      string  `json:"name"`  // of the peer
	Known     bool    `json:"known"` // it has told
	Reachable bool    `json:"reachable"`
	RTTMS     float64 `json:"rtt_ms"`
	Reason    string  `json:"reason"` // why not, or why it is not known
}

// Everywhere reports whether it was reached from every appliance that has told.
func (r Reach) Everywhere() bool {
	return r.Reachable && (r.Peer == nil || !r.Peer.Known || r.Peer.Reachable)
}
