package tree

import (
	"errors"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/inode"
)

// Applied returns what is known of the tree once it was turned from have into want, with what the next
// scan compares with, so that it need not read what was just written. Known is what else has been seen since have. It fails if
// something is not as it was applied: somebody else was at it. It also returns how many names were looked at.
func (t *Tree) Applied(known, have, want manifest.Listing, now func() time.Time) (manifest.Listing, int, error) {
	delta := manifest.Difference(have, want)
	looks := t.root.Looks()
	defer looks.Close()
	for i, c := range delta.Set {
		is, err := looks.Stat(c.Path)
		stamp := inode.StampOf(&is)
		if err != nil || (stamp.Kind() != c.Kind && c.Kind != manifest.Link) || (c.Kind == manifest.File && stamp.Size != c.Size) {
			return known, 0, errors.Join(err, errReplaced(c.Path))
		}
		delta.Set[i].Note = inode.NoteOf(stamp, inode.Racy(stamp.CTime, now()))
	}
	for _, path := range delta.Removed {
		if _, stays := want.Find(path); !stays && t.has(path) {
			return known, 0, errReplaced(path)
		}
	}
	applied, err := manifest.Patch(known, delta)
	return applied, len(delta.Set), err
}
