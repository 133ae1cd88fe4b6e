package wire

import "baton/internal/pair"

// Hold asks the primary to hold requests and stop its services, for the final
// data sync of a handover.
type Hold struct {
	Versioned

	Epoch pair.Epoch `json:"epoch"` // of the primary, as the backup knows it
}

// Commit asks the primary to hand over the next epoch.
type Commit struct {
	Versioned

	Next     pair.Epoch    `json:"next"`
	Snapshot pair.Snapshot `json:"snapshot"` // that the backup goes on with
	Final    bool          `json:"final"`    // it is the primary's newest state
	// Forward: the primary may keep the shared IP on, for the requests that it holds, until it
	// is asked to release it.
	Forward bool `json:"forward,omitempty"`
}

// Release asks the former primary to pass on the requests that it holds, and to take the
// shared IP off. It is answered when that is done.
type Release struct {
	Versioned

	Epoch pair.Epoch `json:"epoch"` // of the new primary
}

// Take asks the backup to become primary.
type Take struct {
	Versioned

	Final bool `json:"final"` // with a final data sync
	// Automatic: the primary hands over by itself, no administrator asked.
	Automatic bool `json:"automatic"`
	// Stops: automatic, since the primary was told to stop, and may take so long to hand over.
	Stops    bool  `json:"stops,omitempty"`
	WithinMS int64 `json:"within_ms,omitempty"`
}

// Plain is a question, or an answer, that carries nothing else.
type Plain struct{ Versioned }
