package act

import (
	"cmp"
	"context"
	"fmt"

	"baton/internal/api"
	"baton/internal/pair"
)

// Audit writes what administrators do into the history.
type Audit struct{ Record func(pair.Event) }

// Note records that somebody changed something, as "saved the pre-shared key".
func (a Audit) Note(ctx context.Context, format string, args ...any) {
	a.Record(Changed(ctx, fmt.Sprintf(format, args...)))
}

// Changed is the event of a change by the one who asks. What is the act, as "changed
// user ann"; the values before and after stand in the details.
func Changed(ctx context.Context, what string, changes ...pair.Change) pair.Event {
	detail := By(ctx).Note()
	pair.NoteChanges(detail, changes)
	return pair.Event{Kind: pair.KindSettingChanged, Text: By(ctx).String() + " " + what + ".", Detail: detail}
}

// By names who asks, for the history. In a browser, the first administrator is added
// by somebody who has no name yet.
func By(ctx context.Context) pair.Actor {
	caller, known := api.CallerFrom(ctx)
	if !known {
		return pair.Actor{Name: "baton"}
	}
	return pair.Actor{Name: cmp.Or(caller.Name, "setup"), From: caller.From}
}
