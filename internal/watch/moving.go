package watch

import (
	"fmt"
	"slices"
	"time"

	"baton/internal/datasync/offer"
	"baton/internal/pair"
)

// Moving tells of files that change all the time, so that the backup has them as they were before.
type Moving struct {
	Files func() []offer.Moving // of this primary
}

// movingFor is for how long a file may be without a state that can be copied before that is told.
const movingFor = time.Minute

// Conditions tells of them in one.
func (w *Moving) Conditions() []pair.Condition {
	files := slices.DeleteFunc(w.Files(), func(one offer.Moving) bool { return time.Since(one.Since) < movingFor })
	if len(files) == 0 {
		return nil
	}
	first, others := files[0], ""
	for _, one := range files {
		if one.Since.Before(first.Since) {
			first = one
		}
	}
	switch more := len(files) - 1; {
	case more == 1:
		others = " So does 1 other file."
	case more > 1:
		others = fmt.Sprintf(" So do %d other files.", more)
	}
	return []pair.Condition{{
		ID: "file-keeps-changing", Severity: pair.Warning,
		Text: fmt.Sprintf("%s/%s changes while it is read, so the backup has it as it was before %s, or not at all.%s",
			first.In, first.Path, first.Since.UTC().Format("2006-01-02 15:04:05 UTC"), others),
		NextStep: "Stop the program that writes it for a moment, or keep it out of the protected directory; a planned switch copies it, as the site is closed then.",
	}}
}
