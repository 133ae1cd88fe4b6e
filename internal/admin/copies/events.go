package copies

import (
	"fmt"
	"strconv"
	"strings"

	"baton/internal/datasync/diverged"
	"baton/internal/kept"
	"baton/internal/pair"
)

// SetAside is the event of a new diverged copy.
func SetAside(made kept.DivergedCopy) pair.Event {
	what := fmt.Sprintf("%s (%s)", pair.Counted(int64(len(made.Files)), "file"), pair.BytesText(made.Bytes))
	if len(made.Files) == 0 {
		what = "settings or users of the site"
	}
	text := "Set " + what + " aside that only this appliance had: baton diverged list."
	if strings.HasPrefix(made.ID, diverged.LatePrefix) {
		text = "Set " + what + " aside, written or removed here after the site had been handed over: baton diverged list."
	}
	return pair.Event{
		Kind:   pair.KindDiverged,
		Text:   text,
		Detail: map[string]string{"id": made.ID, "epoch": made.Epoch.String()},
	}
}

// LeftOut is the event of a primary that opens data of which parts are not of its newest snapshot.
func LeftOut(of pair.Snapshot, left []string) pair.Event {
	return pair.Event{
		Kind: pair.KindDiverged,
		Text: fmt.Sprintf("This primary goes on from snapshot %d without %s, which a database server used on the former primary: what lies there is what this machine had itself.",
			of.Number, strings.Join(left, ", ")),
		Detail: map[string]string{"snapshot": strconv.FormatUint(of.Number, 10), "epoch": of.Epoch.String()},
	}
}

// Missing is the event of what an administrator took over without.
func Missing(of pair.Snapshot, what string) pair.Event {
	text := "Made primary with data that is not whole: "
	if !of.IsZero() {
		text = fmt.Sprintf("Made primary with data that is not whole. This part of snapshot %d is not in place: ", of.Number)
	}
	return pair.Event{
		Kind:   pair.KindDiverged,
		Text:   text + strings.TrimRight(what, ". ") + ".",
		Detail: map[string]string{"snapshot": strconv.FormatUint(of.Number, 10), "epoch": of.Epoch.String()},
	}
}
