package pair

import "time"

// Report is what an appliance tells of itself for people to read: on its own
// status, and to its peer about once a second. No decision depends on it.
type Report struct {
	Version         string           `json:"version"` // of the product
	Role            Role             `json:"role"`
	State           Phase            `json:"state"`
	Epoch           Epoch            `json:"epoch"`
	Since           time.Time        `json:"since"` // when the role last changed
	SharedIPs       []SharedIPStatus `json:"shared_ips"`
	Sync            SyncStatus       `json:"sync"`
	SyncBegan       time.Time        `json:"sync_began,omitzero"` // the newest one of the schedule; zero: none yet
	Settings        uint64           `json:"settings"`            // Settings.Sum of those by which the schedule goes
	Readiness       *Readiness       `json:"readiness,omitempty"` // of a backup
	SiteChecked     bool             `json:"site_checked"`        // it knows whether its site answers
	Files           *ServedFiles     `json:"files,omitempty"`     // nil: an earlier version does not tell
	OpeningMS       int64            `json:"opening_ms"`          // how long opening the site took here, the newest time; 0: not known, or less than 1
	Services        []ServiceStatus  `json:"services,omitempty"`
	Installed       *Installed       `json:"installed,omitempty"` // nil: not known yet, or an earlier version does not tell
	Reaches         *bool            `json:"reaches,omitempty"`   // a primary gets through to its backup by a connection of its own; nil: not tried
	ProtectionLevel int              `json:"protection_level"`
	Conditions      []Condition      `json:"conditions"`
}

// ServedFiles is what an appliance serves of the public site by itself, while primary.
type ServedFiles struct {
	Listen []string `json:"listen"` // where, as in its configuration file; empty: nothing
}

// PeerReport is the newest Report of the peer.
type PeerReport struct {
	Report
	AgeMS int64 `json:"age_ms"` // since it came
}

// Readiness says what would happen if the primary failed now.
type Readiness struct {
	Ready      bool   `json:"ready"`       // the backup would take over by itself
	TakeoverMS int64  `json:"takeover_ms"` // about how long that would take; -1: it would not
	LossMS     int64  `json:"loss_ms"`     // how much of the newest changes would be lost; -1: not known
	Text       string `json:"text"`        // what would happen
	NextStep   string `json:"next_step"`   // one sentence: what to do; empty if nothing is
}

// Sound reports whether a takeover would happen, and leave nothing to be done.
func (r Readiness) Sound() bool { return r.Ready && r.NextStep == "" }

// MaintenanceStatus says where maintenance was turned on. It counts for both
// appliances, and can be ended on either.
type MaintenanceStatus struct {
	Here  bool       `json:"here"`
	Peer  bool       `json:"peer"`
	Until *time.Time `json:"until,omitempty"` // if it was turned on here for a time
}

// On reports whether the pair is in maintenance.
func (m MaintenanceStatus) On() bool { return m.Here || m.Peer }
