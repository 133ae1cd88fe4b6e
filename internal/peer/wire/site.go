package wire

import (
	"baton/internal/kept"
	"baton/internal/pair"
)

// Exchange brings the histories of both appliances together. The asking side
// sends what it has and, of the events that the other lacked last time, the
// first ones; the answer does the same the other way.
type Exchange struct {
	Versioned

	Heads  map[pair.ApplianceID]int64 `json:"heads"`  // newest running number by appliance
	Events []pair.Event               `json:"events"` // at most ExchangeEvents
	// Settings are those of the site, by setting key; only a primary tells them.
	Settings        map[string]string `json:"settings,omitempty"`
	SettingsVersion int64             `json:"settings_version,omitempty"`
	// Held are the digests of the documents of the site that a backup has, by name;
	// only a backup that asks tells them. Documents are the primary's that differ, in
	// its answer, as many as fit.
	Held      map[string]string `json:"held,omitempty"`
	Documents []Document        `json:"documents,omitempty"`
}

// Document is a document of the site: what it is called and shows, its certificate,
// who is notified, who may come in.
type Document struct {
	Name    string `json:"name"`
	Value   string `json:"value"` // JSON, byte for byte
	Version int64  `json:"version"`
}

// ExchangeEvents bounds the events of one exchange, so that it stays within MaxSize.
const ExchangeEvents = 500

// Settings changes settings of the pair at the primary.
type Settings struct {
	Versioned

	Changes     map[string]string `json:"changes"`      // by setting key
	WantVersion int64             `json:"want_version"` // of the settings they were derived from; 0: any
	By          string            `json:"by"`           // who, for the audit
	From        string            `json:"from"`         // and from which address
}

// Sync asks the backup for a data sync.
type Sync struct {
	Versioned

	AcceptShrink bool `json:"accept_shrink"` // an administrator knows that much is gone
}

// Restore has the primary put files of a diverged copy back into the protected data. A stream of an archive belongs to it.
type Restore struct {
	Versioned

	What     string        `json:"what"`     // for the history
	Existing kept.Existing `json:"existing"` // what becomes of files that are there
	By       string        `json:"by"`       // who, for the audit
	From     string        `json:"from"`     // and from which address
}

// RestoreAnswer tells what was restored.
type RestoreAnswer struct {
	Versioned
	kept.Restored
}

// Room asks how much room there is where protected data would lie.
type Room struct {
	Versioned

	Path string `json:"path"` // of the directory, which need not exist
}

// RoomAnswer is the room of the file system that the path would be on.
type RoomAnswer struct {
	Versioned

	Free  int64 `json:"free"`  // bytes that can be written
	Whole int64 `json:"whole"` // bytes of the file system
}

// Ping asks an appliance to ping test IPs.
type Ping struct {
	Versioned

	IPs []string `json:"ips"` // at most pair.MaxTestIPs
}

// PingAnswer tells what it reached, in the order asked.
type PingAnswer struct {
	Versioned

	Reached []pair.Reach `json:"reached"`
}
