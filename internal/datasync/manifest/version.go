package manifest

import (
	"encoding/hex"
	"time"

	"baton/internal/kept"
)

// Version is a file of a listing, as a person is told of it; nil: there is no file at the path.
func Version(l Listing, path string) *kept.FileVersion {
	c, found := l.Find(path)
	if found && c.Kind == Link {
		c, found = l.Find(c.Target)
	}
	if !found || c.Kind != File {
		return nil
	}
	return &kept.FileVersion{Size: c.Size, ModTime: time.Unix(0, c.ModTime).UTC(), Hash: hex.EncodeToString(c.Hash[:])}
}
