package manifest

import "baton/internal/pair"

// Loss says how a data set shrank.
type Loss struct {
	Name                  string
	Kind                  LossKind
	FilesBefore, FilesNow int64
	BytesBefore, BytesNow int64
	NamesBefore           int64 // files, symlinks, pipes and further names
	NamesGone             int64 // of these
}

// LossKind says which rule a loss breaks.
type LossKind uint8

// The rules.
const (
	NoLoss   LossKind = iota
	Emptied           // every file of more than two is gone
	Moved             // more than half of the names are gone, and the file system is another
	Shrunk            // more than half of the files or bytes are gone, of more than a few files
	Replaced          // more than half of the bytes of what is one file are gone, and it is not known to be the same one
)

const (
	trivialFiles = 10 // up to so many, a loss is everyday business
	fewFiles     = 2  // up to so many, so is losing them all
)

// Place tells whether some data lies where it lay before: on the same disk, or, if that is all of it, as the same file.
type Place uint8

// The places.
const (
	SamePlace    Place = iota
	OtherPlace         // a disk, or a file, that is not the one before
	UnknownPlace       // of one who offers it for the first time
)

// Losses returns the data that lost so much since before that a disk may be
// missing. What is excluded by now is not lost. Another place
// alone is no loss.
func Losses(before, now Manifest, place func(pair.Data) Place) []Loss {
	var losses []Loss
	for _, s := range now.Sets {
		was := before.Find(s.Data)
		if l := LossOf(s.Data, was.As(s.Data), s.As(was.Data), place(s.Data)); l.Kind != NoLoss {
			losses = append(losses, l)
		}
	}
	return losses
}

// LossOf is how some data, or a part of it, shrank.
func LossOf(data pair.Data, before, now Listing, place Place) Loss {
	then, sum := before.Sum(), now.Sum()
	l := Loss{
		Name: data.Name, FilesBefore: then.Files, BytesBefore: then.Bytes, NamesBefore: then.Names,
		FilesNow: sum.Files, BytesNow: sum.Bytes, NamesGone: gone(before, now),
	}
	switch {
	case l.FilesBefore > fewFiles && l.FilesNow == 0:
		l.Kind = Emptied
	case l.FilesBefore == 1 && l.FilesNow == 1 && 2*l.BytesNow < l.BytesBefore && place != SamePlace:
		l.Kind = Replaced
	case 2*l.NamesGone > l.NamesBefore && place == OtherPlace:
		l.Kind = Moved
	case l.FilesBefore > trivialFiles && (2*l.FilesNow < l.FilesBefore || 2*l.BytesNow < l.BytesBefore):
		l.Kind = Shrunk
	}
	return l
}

// gone counts names that are not there any more, those of kind Dir apart.
func gone(before, now Listing) (names int64) {
	Walk(
		before, now,
		func(e Entry) {
			if e.Kind != Dir {
				names++
			}
		},
		func(Entry) {},
		func(Entry, Entry) {},
	)
	return names
}
