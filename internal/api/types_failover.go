package api

import (
	"slices"

	"baton/internal/pair"
)

// PairPreview is what Establish Relationship would do, found out without doing it.
type PairPreview struct {
	Name        string    `json:"name"`    // of the other appliance
	Version     string    `json:"version"` // of the product there
	Role        pair.Role `json:"role"`
	Address     string    `json:"address"`      // HOST:PORT at which it answered
	Reverse     string    `json:"reverse"`      // HOST:PORT at which it reached this appliance
	HoldsData   bool      `json:"holds_data"`   // site data there would be replaced
	Data        string    `json:"data"`         // what it says of that data; empty if it holds none
	NeedReplace bool      `json:"need_replace"` // it refuses unless Replace is asked for
	Confirm     string    `json:"confirm"`      // its name, to be typed before its data is replaced; empty: it protects none, and a plain yes will do
	Text        string    `json:"text"`         // one sentence that names both and says what would be replaced
	Brings      []string  `json:"brings"`       // protected directories here, which the other receives; empty: none
	Offer       *DataSpec `json:"offer,omitempty"`
	Warnings    []Check   `json:"warnings"` // what does not stand in the way and should be mended
}

// Loss is what a role change would lose of the site's newest changes.
type Loss struct {
	Possible  bool   `json:"possible"`    // false: everything is carried over
	DataAgeMS int64  `json:"data_age_ms"` // changes of so long ago and later; -1: not known
	Files     int64  `json:"files"`       // written or removed since the newest snapshot; -1: not known
	Bytes     int64  `json:"bytes"`       // of those files; -1: not known
	Changes   int64  `json:"changes"`     // of users, tokens and protected data since then, as far as this appliance knows; -1: not known
	Confirm   string `json:"confirm"`     // name of the appliance whose changes they are, to be typed; empty: there are none so far, and a plain yes will do
	Text      string `json:"text"`        // one sentence
}

// ResumeText says what Resume did, of the status before it.
func ResumeText(before pair.Status) string {
	paused := func(conditions []pair.Condition) bool {
		return slices.ContainsFunc(conditions, func(c pair.Condition) bool { return c.ID == "automatic-paused" })
	}
	switch {
	case paused(before.Conditions):
		return "Automatic failover was paused on " + before.Appliance.Name + " and is on again; automatic takeovers are counted from now on. Whether this pair is ready, baton doctor and the Status page say."
	case before.Peer != nil && before.Peer.Report != nil && paused(before.Peer.Report.Conditions):
		return "Automatic failover was not paused on " + before.Appliance.Name + ", but it is on " + before.Peer.Name + ": resume there."
	}
	return "Automatic failover was not paused on " + before.Appliance.Name + ": nothing was to be resumed. Automatic takeovers are counted from now on."
}
