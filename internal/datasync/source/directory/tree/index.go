package tree

import (
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/inode"
)

// Applied returns what is known of the tree once it was turned from have into want, with what the next
// scan compares with, so that it need not read what was just written. Known is what else has been seen since have.
func (t *Tree) Applied(known, have, want manifest.Listing, now func() time.Time) (manifest.Listing, error) {
	delta := manifest.Difference(have, want)
	for i, c := range delta.Set {
		stamp, err := t.stat(c.Path)
		right := err == nil && (stamp.Kind() == c.Kind || c.Kind == manifest.Link) && (c.Kind != manifest.File || stamp.Size == c.Size)
		if delta.Set[i].Note = (manifest.Note{}); right {
			delta.Set[i].Note = inode.NoteOf(stamp, inode.Racy(stamp.CTime, now()))
		}
	}
	return manifest.Patch(known, delta)
}
