package pair

import "time"

// View is what an appliance tells its peer about itself, on every poll and
// every answer. It is comparable.
type View struct {
	ID          ApplianceID `json:"id"`
	PairID      string      `json:"pair_id"`
	Role        Role        `json:"role"`
	Phase       Phase       `json:"phase"`
	Epoch       Epoch       `json:"epoch"`   // highest epoch that this appliance has stored
	Granted     bool        `json:"granted"` // the epoch was handed to its holder, who has not been seen with it yet
	Lineage     Lineage     `json:"lineage"`
	Snapshot    Snapshot    `json:"snapshot"`              // primary: newest that the backup completed, as far as known; backup: newest complete
	Serving     bool        `json:"serving"`               // holds the shared IP and answers for the site
	Hold        Hold        `json:"hold,omitzero"`         // what a primary in a planned switch waits for
	Eligible    bool        `json:"eligible"`              // could take over now
	Sick        bool        `json:"sick"`                  // its own site fails its health checks or does not come up, or was so and has not been well since
	Unfit       bool        `json:"unfit,omitzero"`        // what would keep the site from being served there as it should is known: a service, or a disk
	Plugged     bool        `json:"plugged"`               // the interfaces of its shared IPs have had a carrier for ten seconds
	Stopping    bool        `json:"stopping"`              // its daemon was told to stop, and has taken the shared IP off
	SetBack     bool        `json:"set_back"`              // a primary that has heard its backup hold a snapshot of its epoch that it never offered
	Unwritable  bool        `json:"unwritable,omitzero"`   // cannot write its state to disk, so that it can change no role
	SharedIP    bool        `json:"shared_ip"`             // at least one shared IP is ticked there
	Ticked      uint64      `json:"ticked,omitzero"`       // SharedIPSum of those that are; 0: none, or that version of Baton does not tell
	Traffic     bool        `json:"traffic"`               // its kernel closes the shared IP's traffic in time by itself (the traffic lease)
	Front       bool        `json:"front,omitzero"`        // Baton's own doors answer for the site there, and can pass requests on
	LetsForward bool        `json:"lets_forward,omitzero"` // a new primary: the former one may keep the shared IP on, to pass requests on
	Maintenance bool        `json:"maintenance"`           // in maintenance: no automatic action at either side
	Armed       bool        `json:"armed"`                 // a backup whose settings let it take over by itself, if not now, then later
	Settings    uint64      `json:"settings"`              // Settings.Sum of those in force there; 0: that version of Baton does not tell
	Run         uint64      `json:"run"`                   // tells one run of the daemon from the next; 0: not told
	// Timeout is the Primary Site Instance Timeout set at the sender; that of a primary is
	// larger while it goes by a larger one still. A backup never goes by a smaller one than
	// its primary tells, so that it never takes over too early while that is changed.
	Timeout time.Duration `json:"timeout"`
	Version string        `json:"version"` // product version
}

// PollFailure says why a poll got no answer. It explains; it never proves that
// the primary is dead.
type PollFailure uint8

// Why a poll failed.
const (
	NoAnswer        PollFailure = iota // deadline passed, no route, connection refused
	KeyMismatch                        // the pre-shared keys differ
	IdentityChanged                    // the peer shows another certificate than the pinned one
	VersionMismatch                    // the peer speaks no protocol version that we speak
)

// String renders the reason as a short phrase.
func (f PollFailure) String() string {
	switch f {
	case NoAnswer:
		return "no answer"
	case KeyMismatch:
		return "pre-shared keys differ"
	case IdentityChanged:
		return "peer shows another certificate"
	case VersionMismatch:
		return "no common protocol version"
	}
	return "unknown"
}
