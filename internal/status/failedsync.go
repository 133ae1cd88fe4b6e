package status

import (
	"strings"
	"time"

	"baton/internal/agent"
	"baton/internal/pair"
)

// soonAgain is within what time a data sync that failed is tried again, while it is.
const soonAgain = 30 * time.Second

// silenceStep is the next step of a data sync that failed, while the peer is silent.
const silenceStep = "Bring the peer back, as its own condition says: it is tried again by itself once the peer answers."

// failedSync tells, on a backup, that no data sync has succeeded since one failed. One
// that is just tried again has not succeeded yet.
func (o *Overview) failedSync() []pair.Condition {
	p := o.Engine.Progress()
	if p.Failing == "" || o.Local.State().Record.Role != pair.Backup {
		return nil
	}
	next := time.Duration(-1)
	if due := o.Agent.NextSync(); !due.IsZero() {
		next = time.Until(due)
	}
	return []pair.Condition{{
		ID: "sync-failed", Severity: pair.Warning, Text: "The last data sync failed: " + strings.TrimRight(p.Failing, ". ") + ".",
		NextStep: againStep(o.Agent.Decision(), next),
	}}
}

// againStep says what ends a failed data sync. Next is in what time the next automatic
// one begins; negative: none is due, or it runs.
func againStep(decision agent.Decision, next time.Duration) string {
	const now = " Sync Now: baton sync --wait."
	switch {
	case !decision.Config.Hears(decision.State, agent.BootClock()):
		return silenceStep
	case !decision.Config.MaySync(decision.State):
		return "Nothing is synced in this state: do what the other conditions say."
	case !decision.Config.BackupOperations:
		return "Remove the cause, then use" + now + " Enable Backup Operations is off, so it is not tried again by itself."
	case next > soonAgain:
		return "Remove the cause; it is tried again at the next run of the schedule, or at once with" + now
	}
	return "Remove the cause; it is tried again by itself within 30 s, or at once with" + now
}
