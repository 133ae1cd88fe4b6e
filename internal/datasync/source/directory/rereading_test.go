package directory

import (
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/pair"
)

// TestABitThatFlipsIsTold has a database whose content is other than it was, with the same times and number, and one that somebody wrote to.
func TestABitThatFlipsIsTold(t *testing.T) {
	listing := func(hash byte, note manifest.Note) manifest.Listing {
		file := manifest.Child{Entry: manifest.Entry{Path: "app.db", Kind: manifest.File, Size: 4096, ModTime: 7, Hash: manifest.Hash{hash}}, Note: note}
		return manifest.NewListing(manifest.Child{Entry: manifest.Entry{Kind: manifest.Dir}, Below: manifest.NewBranch([]manifest.Child{file})})
	}
	note := manifest.Note{Ino: 5, CTime: 9}
	for name, row := range map[string]struct {
		found   manifest.Listing
		differs bool
	}{
		"the same":          {listing(1, note), false},
		"a bit that flips":  {listing(2, note), true},
		"written to":        {listing(2, manifest.Note{Ino: 5, CTime: 10}), false},
		"replaced":          {listing(2, manifest.Note{Ino: 6, CTime: 9}), false},
		"too soon to trust": {listing(2, manifest.Note{Ino: 5, CTime: 9, Racy: true}), false},
	} {
		var r rereading
		if r.reread(listing(1, note), row.found, time.Second, time.Now()); r.differs != row.differs {
			t.Errorf("%s: %t", name, r.differs)
		}
	}
}

// TestADatabaseIsReadAgainInTime has a look at the whole trust what is known, but for now and then.
func TestADatabaseIsReadAgainInTime(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	k := &Kind{opt: Options{Now: func() time.Time { return now }, Part: func(pair.Data) tree.Part { return tree.Part{Names: []string{"app.db"}} }}}
	known := manifest.NewListing(manifest.Child{Entry: manifest.Entry{Kind: manifest.Dir}})
	x := &index{files: known}
	x.read = now
	for _, row := range []struct {
		after, took time.Duration
		trusts      bool
	}{
		{9 * time.Minute, time.Second, true},
		{11 * time.Minute, 100 * time.Millisecond, false},
		{11 * time.Minute, time.Second, true},
		{17 * time.Minute, time.Second, false},
	} {
		x.rereading.took = row.took
		now = time.Unix(1_000_000, 0).Add(row.after)
		if trusts := !k.trusted(x).IsZero(); trusts != row.trusts {
			t.Errorf("%s after one that took %s: trusts %t", row.after, row.took, trusts)
		}
	}
	k.opt.Part = nil
	if k.trusted(x).IsZero() {
		t.Error("a whole directory is read again")
	}
}
