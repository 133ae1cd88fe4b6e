package app

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/pair"
)

// opening measures how long it takes to open the site here, from the decision to
// the shared IP: the part of a takeover that no setting tells.
type opening struct {
	began atomic.Int64 // failover.Instant; 0: not under way
	took  atomic.Int64 // of the newest one; 0: not measured yet
}

func (o *opening) begin() { o.began.Store(int64(bootClock())) }

func (o *opening) end() {
	if began := o.began.Swap(0); began != 0 {
		o.took.Store(int64(bootClock().Sub(failover.Instant(began))))
	}
}

// lasted is how long the newest one took; 0: not measured yet.
func (o *opening) lasted() time.Duration { return time.Duration(o.took.Load()) }

// mostOpening bounds what a peer may tell of its opening.
const mostOpening = time.Hour

// expected is how long opening the site would take here: as the last time, or else
// as the primary tells of itself. 0: neither is known.
func (o *opening) expected(primary *pair.PeerReport) time.Duration {
	own := o.lasted()
	if own > 0 || primary == nil {
		return own
	}
	return time.Duration(min(max(primary.OpeningMS, 0), mostOpening.Milliseconds())) * time.Millisecond
}

// ownReadiness is a backup's: what would happen if its primary failed now.
func (a *Appliance) ownReadiness(sync pair.SyncStatus) *pair.Readiness {
	seen := a.agent.Look()
	if why := seen.Config.Readiness(seen.State); why != failover.Agreed {
		return notReady(why, remedy(seen, why))
	}
	after := seen.Config.TakeoverAfter(seen.State) + a.opening.expected(a.fresh())
	return a.filled(ready(after.Milliseconds(), sync.DataAgeMS, "the primary"))
}

// filled adds to a takeover that would happen that it would serve no files.
func (a *Appliance) filled(known *pair.Readiness) *pair.Readiness {
	if a.protected.Load() == 0 {
		known.Text += " It would serve the site without its files: no directory is protected."
		known.NextStep = nothingStep
	}
	return known
}

// readiness is that of the pair, as either of its appliances knows it.
func (a *Appliance) readiness(sync pair.SyncStatus) *pair.Readiness {
	seen := a.agent.Look()
	switch seen.State.Record.Role {
	case pair.Standalone:
		return nil
	case pair.Backup:
		return a.ownReadiness(sync)
	case pair.Primary:
	}
	return a.readinessOfBackup(seen, seen.Config.Hears(seen.State, bootClock()), sync)
}

// readinessOfBackup is what a primary knows of it. Hears: the backup answers.
func (a *Appliance) readinessOfBackup(seen agent.Seen, hears bool, sync pair.SyncStatus) *pair.Readiness {
	s, report := seen.State, a.fresh()
	switch {
	case s.Phase == pair.Conflict:
		return ofBackup(*notReady(failover.EpochsClash, remedy(seen, failover.EpochsClash)))
	case !hears:
		return unknown("If this primary failed now, nothing would take over: the backup does not answer.")
	case maintenanceStatus(s).On(): // the backup has perhaps not told yet that it knows
		return ofBackup(*notReady(failover.InMaintenance, remedy(seen, failover.InMaintenance)))
	case report == nil || report.Readiness == nil:
		return unknown("Whether the backup could take over is not known: it has not reported yet.")
	case report.Readiness.Ready:
		return a.filled(ready(report.Readiness.TakeoverMS, sync.DataAgeMS, "this primary"))
	}
	return ofBackup(*report.Readiness)
}

func unknown(text string) *pair.Readiness {
	return &pair.Readiness{TakeoverMS: -1, LossMS: -1, Text: text, NextStep: "Look at the backup, its cable and its network."}
}

// ofBackup is what a backup tells of itself, as its primary tells it.
func ofBackup(told pair.Readiness) *pair.Readiness {
	told.Text = strings.ReplaceAll(told.Text, "this appliance", "the backup")
	return &told
}

func ready(takeover, loss int64, who string) *pair.Readiness {
	text := fmt.Sprintf("If %s failed now: takeover in about %s, ", who, pair.MillisText(takeover))
	if loss < 0 {
		text += "losing changes of an age that is not yet known."
	} else {
		text += "losing the last " + pair.MillisText(loss) + " of changes."
	}
	return &pair.Readiness{Ready: true, TakeoverMS: takeover, LossMS: loss, Text: text}
}

func notReady(why failover.Reason, nextStep string) *pair.Readiness {
	reason := why.String()
	if why == failover.WouldTakeOver {
		reason = "It only observes: it would record the takeover and do nothing."
	}
	return &pair.Readiness{
		TakeoverMS: -1, LossMS: -1, NextStep: nextStep,
		Text: "If the primary failed now, this appliance would not take over: " + reason,
	}
}
