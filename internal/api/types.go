package api

import (
	"time"

	"baton/internal/pair"
)

// HistoryFilter selects events. Zero fields select everything.
type HistoryFilter struct {
	Since time.Time // this instant and later
	Until time.Time // before this instant
	Kinds []string  // any of these kinds
	Limit int       // the newest so many; the server always sets it
}

// Event is a pair.Event as this interface writes it: detail is always there.
type Event struct {
	ID        string            `json:"id"`
	Time      time.Time         `json:"time"`
	Appliance pair.ApplianceID  `json:"appliance"`
	Kind      string            `json:"kind"`
	Text      string            `json:"text"`
	Detail    map[string]string `json:"detail"`
}

func written(events []pair.Event) []Event {
	out := make([]Event, len(events))
	for i, event := range events {
		out[i] = Written(event)
	}
	return out
}

// Written returns an event as this interface writes it.
func Written(event pair.Event) Event {
	if event.Detail == nil {
		event.Detail = map[string]string{}
	}
	return Event(event)
}

// Health is the answer for load balancers and monitors.
type Health struct {
	Serving bool   // a primary that holds the shared IP and serves
	Text    string // one plain sentence
}

// Figures are the running totals that metrics show and status does not.
type Figures struct {
	Takeovers     uint64        // in the history of the pair, automatic and forced
	TrafficLapses uint64        // how often the traffic lease ran out while entitled, since the daemon started
	SyncBytes     uint64        // bytes received by data syncs since the daemon started
	SyncDuration  time.Duration // of the last data sync that ended
}

// SetupState tells whether the first administrator is still to be made.
type SetupState struct {
	Needed bool   `json:"needed"`
	Token  string `json:"token,omitempty" doc:"One-time setup token, while setup is needed"`
}

// KeyState tells of the pre-shared key without telling it.
type KeyState struct {
	Set         bool       `json:"set"`
	SavedAt     *time.Time `json:"saved_at,omitempty"`
	Fingerprint string     `json:"fingerprint,omitempty" doc:"Of the stretched key, to compare on both appliances"`
	Previous    string     `json:"previous,omitempty" doc:"Fingerprint of the key before it, while that is valid as well"`
}

// PairRequest is Establish Relationship, sent to the appliance that holds the data.
type PairRequest struct {
	Address string `json:"address" minLength:"1" maxLength:"300" doc:"HOST or HOST:PORT of the new backup"`
	Reverse string `json:"reverse,omitempty" maxLength:"300" doc:"HOST or HOST:PORT at which the backup reaches this appliance"`
	Replace bool   `json:"replace,omitempty" doc:"Pair although the other appliance holds newer site data, or was pinned with another certificate"`
}

// UnpairRequest is Break Relationship.
type UnpairRequest struct {
	Force bool `json:"force,omitempty" doc:"Break it although the peer is unreachable"`
}

// SyncRequest is Sync Now.
type SyncRequest struct {
	AcceptShrink bool `json:"accept_shrink,omitempty" doc:"Sync although much less data is left than the backup holds"`
}

// RoleChange is Become Primary or Become Backup.
type RoleChange struct {
	Role          pair.Role `json:"role" enum:"primary,backup"`
	DataSyncFirst bool      `json:"data_sync_first,omitempty" doc:"Pull a final data sync from the primary"`
	Force         bool      `json:"force,omitempty" doc:"Without the peer's consent; administrators only"`
}

// TaskState says how far a task is.
type TaskState string

// The task states.
const (
	TaskRunning TaskState = "running"
	TaskDone    TaskState = "done"
	TaskFailed  TaskState = "failed"
)

// Task is something that takes a while and can be followed.
type Task struct {
	ID       string    `json:"id"`
	Kind     string    `json:"kind"` // sync or role
	State    TaskState `json:"state"`
	Steps    []Step    `json:"steps"`
	Progress *Progress `json:"progress,omitempty"` // of the data sync within it
	Awaits   string    `json:"awaits,omitempty"`   // one sentence: what a switch waits for now; empty: nothing
	Error    string    `json:"error"`              // one sentence with the next step; empty unless failed
	Code     pair.Code `json:"code,omitempty"`     // kind of the failure
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
}

// Step is one part of a task.
type Step struct {
	Text  string    `json:"text"`
	State TaskState `json:"state"`
}

// Progress counts a data sync. Totals are 0 while unknown.
type Progress struct {
	BytesDone  int64 `json:"bytes_done"`
	BytesTotal int64 `json:"bytes_total"`
	FilesDone  int64 `json:"files_done"`
	FilesTotal int64 `json:"files_total"`
	Speed      int64 `json:"bytes_per_second"` // lately
	LeftMS     int64 `json:"left_ms"`          // estimate; 0: not known
}

// Check is one finding of the pre-flight or the doctor.
type Check struct {
	ID       string `json:"id"` // stable, as test-ips
	OK       bool   `json:"ok"`
	Text     string `json:"text"`      // one sentence: what was found
	NextStep string `json:"next_step"` // one sentence: what to do; empty if OK

	Severity pair.Severity `json:"severity"` // info if OK; else warning, or critical: it stands in the way
}

// Saved are values with the version under which they were saved, which a change of
// them names. Versions only rise.
type Saved[V any] struct {
	Values  V
	Version int64
}

// Software tells what runs on this appliance, and on its peer.
type Software struct {
	Version   string        `json:"version"`
	Commit    string        `json:"commit,omitempty" doc:"Of the source, if the build knows"`
	Committed time.Time     `json:"committed,omitzero"`
	Modified  bool          `json:"modified,omitempty" doc:"The source was changed after that commit"`
	Go        string        `json:"go" doc:"Version of the compiler"`
	Platform  string        `json:"platform" doc:"System and processor"`
	Started   time.Time     `json:"started" doc:"When this daemon was started"`
	Peer      *PeerSoftware `json:"peer,omitempty"`
}

// PeerSoftware is what the peer last said of itself.
type PeerSoftware struct {
	Name    string `json:"name"`
	Version string `json:"version" doc:"Empty if it has not been heard since the daemon started"`
	Same    bool   `json:"same"`
}

// Licence is that of Baton, or of something that is linked into it or that the
// console hands to browsers.
type Licence struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Kind    string `json:"kind" doc:"SPDX identifier"`
	Text    string `json:"text"`
}

// MaxBackup bounds an uploaded backup, in bytes. A real one has some thousands.
const MaxBackup = 32 << 20

// InspectedBackup says what a backup holds. The id is good for RestoreInspected.
type InspectedBackup struct {
	ID             string    `json:"id"`
	Made           time.Time `json:"made,omitzero"`       // absent in backups of the first versions
	Version        string    `json:"version,omitempty"`   // of the product that made it
	Appliance      string    `json:"appliance,omitempty"` // on which it was made
	SiteName       string    `json:"site_name,omitempty"`
	Users          int       `json:"users"`
	Administrators int       `json:"administrators" doc:"Those who may sign in"`
	Tokens         int       `json:"tokens"`
	Data           int       `json:"data" doc:"Pieces of protected data"`
	Documents      []string  `json:"documents" doc:"What else is set: site, security, ..."`
}

// DataSpec is one piece of protected data, of any kind.
type DataSpec struct {
	Name   string `json:"name" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9-]*$" patternDescription:"lower-case letters, digits and dashes"`
	Kind   string `json:"kind" enum:"dir,sqlite,postgres"`
	Path   string `json:"path,omitempty" maxLength:"4096" doc:"Absolute path of the directory or database file"`
	PGData string `json:"pgdata,omitempty" maxLength:"4096" doc:"PostgreSQL: data directory"`
	Bin    string `json:"bin,omitempty" maxLength:"4096" doc:"PostgreSQL: directory of its programs"`
}

// Allowance says which directories may be protected on this machine.
type Allowance struct {
	Trees   []string `json:"trees" doc:"Of the configuration file: directories in these may be protected, but what belongs to the machine"`
	Allowed []string `json:"allowed" doc:"By root's word besides"`
}

// AllowedPath is one directory that root allows to be protected.
type AllowedPath struct {
	Path string `json:"path" minLength:"1" maxLength:"4096" doc:"Absolute path"`
}

// Service is one service that runs on the primary only.
type Service struct {
	Name    string   `json:"name" minLength:"1" maxLength:"64" pattern:"^[a-z0-9][a-z0-9-]*$" patternDescription:"lower-case letters, digits and dashes"`
	Kind    string   `json:"kind" enum:"unit,command"`
	Unit    string   `json:"unit,omitempty" maxLength:"256" doc:"Name of the systemd unit"`
	Command []string `json:"command,omitempty" maxItems:"256" doc:"Program and arguments"`
	Health  string   `json:"health,omitempty" maxLength:"2048" doc:"URL, tcp:HOST:PORT or exec:CMD"`
}

// Version names the product and this interface.
type Version struct {
	Version string `json:"version"`
	API     string `json:"api"`
}
