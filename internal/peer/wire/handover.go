package wire

import "baton/internal/pair"

// Hold asks the primary to hold requests and stop its services, for the final
// data sync of a handover.
type Hold struct {
	Version int        `json:"version"`
	Epoch   pair.Epoch `json:"epoch"` // of the primary, as the backup knows it
}

// Commit asks the primary to hand over the next epoch.
type Commit struct {
	Version  int           `json:"version"`
	Next     pair.Epoch    `json:"next"`
	Snapshot pair.Snapshot `json:"snapshot"` // that the backup goes on with
	Final    bool          `json:"final"`    // it is the primary's newest state
}

// Take asks the backup to become primary.
type Take struct {
	Version int  `json:"version"`
	Final   bool `json:"final"` // with a final data sync
	// Automatic: the primary hands over by itself, no administrator asked.
	Automatic bool `json:"automatic"`
}

// Plain is a question, or an answer, that carries nothing else.
type Plain struct {
	Version int `json:"version"`
}

// UnmarshalJSON implements json.Unmarshaler: strict on the version.
func (h *Hold) UnmarshalJSON(data []byte) error {
	type plain Hold
	return decode("hold", data, (*plain)(h))
}

// UnmarshalJSON implements json.Unmarshaler: strict on the version.
func (c *Commit) UnmarshalJSON(data []byte) error {
	type plain Commit
	return decode("commit", data, (*plain)(c))
}

// UnmarshalJSON implements json.Unmarshaler: strict on the version.
func (t *Take) UnmarshalJSON(data []byte) error {
	type plain Take
	return decode("take", data, (*plain)(t))
}

// UnmarshalJSON implements json.Unmarshaler: strict on the version.
func (p *Plain) UnmarshalJSON(data []byte) error {
	type plain Plain
	return decode("plain", data, (*plain)(p))
}
