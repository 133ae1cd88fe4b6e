package wire

import "baton/internal/pair"

// Report is how an appliance tells its peer what people should read of it.
type Report struct {
	Version int         `json:"version"`
	Report  pair.Report `json:"report"`
}

// Unsynced answers how much the primary holds that is in no snapshot.
type Unsynced struct {
	Version int   `json:"version"`
	Files   int64 `json:"files"`
	Bytes   int64 `json:"bytes"`
	Changes int64 `json:"changes"` // of users, tokens and protected data
}

// By asks for something in somebody's name, for the audit.
type By struct {
	Version int    `json:"version"`
	By      string `json:"by"`
}

// UnmarshalJSON implements json.Unmarshaler: strict on the version.
func (r *Report) UnmarshalJSON(data []byte) error {
	type plain Report
	return decode("report", data, (*plain)(r))
}

// UnmarshalJSON implements json.Unmarshaler: strict on the version.
func (u *Unsynced) UnmarshalJSON(data []byte) error {
	type plain Unsynced
	return decode("unsynced", data, (*plain)(u))
}

// UnmarshalJSON implements json.Unmarshaler: strict on the version.
func (b *By) UnmarshalJSON(data []byte) error {
	type plain By
	return decode("by", data, (*plain)(b))
}
