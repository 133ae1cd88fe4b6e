package wire

import (
	"baton/internal/datasync/manifest"
	"baton/internal/pair"
)

// Compare asks for what the peer has, to compare it. The answer is a SideHead, and then the frames of a manifest.
type Compare struct {
	Base    manifest.Digest `json:"base"`    // of the manifest of the newest common snapshot, as the one who asks knows it
	Pack    bool            `json:"pack"`    // compress: the link is slower than compression
	Version int             `json:"version"` // of the protocol
}

// SideHead precedes what a side has.
type SideHead struct {
	Header

	Common   pair.Snapshot   `json:"common"`   // the newest common snapshot, as that side knows it
	Manifest manifest.Digest `json:"manifest"` // of that
	Left     []Left          `json:"left,omitempty"`
}

// Left is what a side could not look at.
type Left struct {
	Data string `json:"data"`           // name of the protected data
	Path string `json:"path,omitempty"` // what keeps changing; empty: all of the data
	Why  string `json:"why,omitempty"`  // a sentence, where it is all of the data; else the database server that uses the path, if any does
}
