package wire

import "baton/internal/pair"

// Report is how an appliance tells its peer what people should read of it.
type Report struct {
	Versioned

	Report pair.Report `json:"report"`
}

// Unsynced answers how much the primary holds that is in no snapshot.
type Unsynced struct {
	Versioned

	Files   int64 `json:"files"`
	Bytes   int64 `json:"bytes"`
	Changes int64 `json:"changes"` // of users, tokens and protected data
}

// By asks for something in somebody's name, for the audit.
type By struct {
	Versioned

	By string `json:"by"`
}
