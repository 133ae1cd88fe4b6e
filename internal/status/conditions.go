package status

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"baton/internal/pair"
)

// tornStep is the next step while data is not whole.
const tornStep = "Do what the condition data-torn says; it is tried again every few seconds. Until then this appliance does not take over by itself. " +
	"To serve without what is missing, run baton become primary --force; the history then names it."

// nothingStep is the next step while no directory is protected.
const nothingStep = "Protect the directories that hold the site's files, on the Protection page of the primary, or run there: baton data add dir NAME PATH."

// Conditions are those that the edges know of.
func (o *Overview) Conditions() []pair.Condition {
	var found []pair.Condition
	if contact, known := o.Link.Contact(); known && contact.ClockOffset.Abs() > 60*time.Second {
		found = append(found, pair.Condition{
			ID: "clock-off", Severity: pair.Warning,
			Text:     "The clocks of the two appliances differ by more than a minute.",
			NextStep: "Set both clocks, as with systemd-timesyncd: schedules and the times in the history depend on them.",
		})
	}
	found = append(found, o.failedSync()...)
	found = append(found, o.lateWrites()...)
	if _, paired := o.Link.Paired(); paired && o.Protected() == 0 {
		found = append(found, pair.Condition{
			ID: "nothing-protected", Severity: pair.Warning, Text: "No directory is protected: a takeover would serve the site without its files.", NextStep: nothingStep,
		})
	}
	ids := o.Engine.Diverged.IDs()
	if aside := ids.Aside; len(aside) > 0 {
		found = append(found, pair.Condition{
			ID: "diverged-copies", Severity: pair.Warning,
			Text:     "This appliance keeps " + pair.Counted(int64(len(aside)), "diverged copy") + ": what it wrote, and the site does not have (" + pair.BytesText(ids.Bytes) + ").",
			NextStep: "Look at them on its Status page; put back or export what is needed, then delete them: baton diverged list.",
		})
	}
	if settings := ids.Inline; len(settings) > 0 {
		found = append(found, pair.Condition{
			ID: "settings-set-aside", Severity: pair.Info,
			Text:     "This appliance keeps " + pair.Counted(int64(len(settings)), "diverged copy") + " without a file of the site: its settings and users were others than the site's, which are in force.",
			NextStep: "If a setting or a user is missing, look into it: baton diverged list. Then delete it.",
		})
	}
	if gone := o.Engine.Points.GivenUp(time.Now()); gone.Points > 0 {
		found = append(found, pair.Condition{
			ID: "restore-points-given-up", Severity: pair.Info,
			Text:     "The disk of the protected data on this appliance runs short, so " + pair.Counted(int64(gone.Points), "restore point") + " gave way; the last was that of snapshot " + strconv.FormatUint(gone.Newest.Number, 10) + ".",
			NextStep: "Free some space there, or keep fewer: baton settings set restore_points=1.",
		})
	}
	if torn := o.Engine.Torn(); torn != nil {
		found = append(found, pair.Condition{
			ID: "data-torn", Severity: pair.Critical, Text: torn.Error(),
			NextStep: tornStep,
		})
	}
	for _, others := range o.Others {
		found = append(found, others()...)
	}
	return found
}

// lateWrites tells, on both appliances, that files were written on one of them after
// it had handed the site over.
func (o *Overview) lateWrites() []pair.Condition {
	var found []pair.Condition
	if late := o.Engine.Diverged.IDs().Late; len(late) > 0 {
		found = append(found, pair.Condition{
			ID: "late-writes", Severity: pair.Warning,
			Text:     "Files were written on this appliance after it had handed the site over. No snapshot has those that were there before the first data sync; they are kept as a diverged copy: " + strings.Join(late, ", ") + ". Whatever is written here since is replaced by each data sync, and not kept.",
			NextStep: "Find out what writes there while this appliance is not the primary, and stop it at once; export what is needed, then delete the copy: baton diverged list.",
		})
	}
	pinned, paired := o.Link.Paired()
	if !paired {
		return found
	}
	if report := o.reported.by(pinned.ID); report != nil && slices.ContainsFunc(report.Conditions, func(c pair.Condition) bool { return c.ID == "late-writes" }) {
		found = append(found, pair.Condition{
			ID: "peer-late-writes", Severity: pair.Warning,
			Text:     "Files were written on the peer after it had handed the site over. Those that were there before the first data sync are kept there as a diverged copy; whatever is written there since is replaced by each data sync.",
			NextStep: "Look at the Status page of the peer, or run there: baton diverged list.",
		})
	}
	return found
}
