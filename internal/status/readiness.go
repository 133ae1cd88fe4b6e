package status

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/watch"
)

// Opening measures how long it takes to open the site here, the part of a takeover that no
// setting tells: the data is opened, and the shared IP put on. What a planned switch waits for in
// between does not count.
type Opening struct {
	data atomic.Int64 // how long the data took that was opened last; 0: that was counted
	took atomic.Int64 // of the newest one; 0: not measured yet
}

// DataOpened notes how long it took to open the data.
func (o *Opening) DataOpened(took time.Duration) { o.data.Store(max(int64(took), 1)) }

// Claimed notes that the shared IP is on, and how long that took.
func (o *Opening) Claimed(took time.Duration) {
	if data := o.data.Swap(0); data != 0 {
		o.took.Store(data + int64(took))
	}
}

// lasted is how long the newest one took; 0: not measured yet.
func (o *Opening) lasted() time.Duration { return time.Duration(o.took.Load()) }

// mostOpening bounds what a peer may tell of its opening.
const mostOpening = time.Hour

// expected is how long opening the site would take here: as the last time, or else
// as the primary tells of itself. 0: neither is known.
func (o *Opening) expected(primary *pair.PeerReport) time.Duration {
	own := o.lasted()
	if own > 0 || primary == nil {
		return own
	}
	return time.Duration(min(max(primary.OpeningMS, 0), mostOpening.Milliseconds())) * time.Millisecond
}

// ownReadiness is a backup's: what would happen if its primary failed now.
func (o *Overview) ownReadiness(sync pair.SyncStatus) *pair.Readiness {
	decision := o.Agent.Decision()
	if why := decision.Config.Readiness(decision.State); why != failover.Agreed {
		if s := decision.State; s.Failed.Set && s.Failure == pair.NoAnswer && !decision.Config.Hears(s, agent.BootClock()) {
			return declines(why, Remedy(decision, why))
		}
		return notReady(why, Remedy(decision, why))
	}
	if o.Reach.Lost() {
		return unreached()
	}
	if left, silent, runs := decision.Config.TakeoverIn(decision.State, agent.BootClock()); silent > 0 {
		if why := decision.State.Blocked; !runs && why != failover.Agreed {
			return declines(why, Remedy(decision, why))
		}
		return o.filled(underWay(left, silent, sync.DataAgeMS))
	}
	after := decision.Config.TakeoverAfter(decision.State) + o.Opening.expected(o.Fresh())
	return o.filled(ready(after.Milliseconds(), sync.DataAgeMS, "the primary"))
}

// filled adds what a takeover would lack: files, or a web server that works.
func (o *Overview) filled(known *pair.Readiness) *pair.Readiness {
	if who := o.sickBackup(); who != "" {
		known.Text += " But the site failed its check on " + who + " when it was last served there."
		known.NextStep = "Look on " + who + " at what serves the site, as the web server, before you rely on it."
	}
	if who := o.unfitBackup(); who != "" {
		known.Text += " But the site would not come up: a service of it could not be started on " + who + "."
		known.NextStep = "Do what is said of that service: baton doctor."
	}
	if o.Protected() == 0 {
		known.Text += " It would serve the site without its files: no directory is protected."
		known.NextStep = nothingStep
	}
	return known
}

// Readiness is that of the pair, as either of its appliances knows it.
func (o *Overview) Readiness(sync pair.SyncStatus) *pair.Readiness {
	decision := o.Agent.Decision()
	switch decision.State.Record.Role {
	case pair.Standalone:
		return nil
	case pair.Backup:
		return o.ownReadiness(sync)
	case pair.Primary:
	}
	return o.readinessOfBackup(decision, decision.Config.Hears(decision.State, agent.BootClock()), sync)
}

// readinessOfBackup is what a primary knows of it. Hears: the backup answers.
func (o *Overview) readinessOfBackup(decision agent.Decision, hears bool, sync pair.SyncStatus) *pair.Readiness {
	s, report := decision.State, o.Fresh()
	switch {
	case s.Phase == pair.Conflict:
		return ofBackup(*notReady(failover.EpochsClash, Remedy(decision, failover.EpochsClash)))
	case !hears && s.Failed.Set && s.Failure != pair.NoAnswer:
		return ofBackup(*notReady(failover.PeerRefusesUs, Remedy(decision, failover.PeerRefusesUs)))
	case !hears || s.Phase == pair.Alone:
		return unknown("If this primary failed now, nothing would take over: the backup does not answer.")
	case MaintenanceStatus(s).On(): // the backup may know of it and not have told yet
		return ofBackup(*notReady(failover.InMaintenance, Remedy(decision, failover.InMaintenance)))
	case report == nil || report.Readiness == nil:
		return unknown("Whether the backup could take over is not known: it has not reported yet.")
	case report.Readiness.Ready:
		return o.filled(ready(report.Readiness.TakeoverMS, sync.DataAgeMS, "this primary"))
	}
	return ofBackup(*report.Readiness)
}

// sickBackup names the backup if the site was sick there lately; empty: it was not.
func (o *Overview) sickBackup() string {
	decision := o.Agent.Decision()
	pinned, paired := o.Link.Paired()
	switch s := decision.State; {
	case s.Record.Role == pair.Backup && decision.Config.WasSick(s):
		return o.Name
	case s.Record.Role == pair.Primary && paired && s.Peer.Role == pair.Backup && s.Peer.Sick:
		return pinned.Name
	}
	return ""
}

// unfitBackup names the backup if it has found that a service could not be started there; empty: it has not.
func (o *Overview) unfitBackup() string {
	pinned, paired := o.Link.Paired()
	switch s := o.Agent.Decision().State; {
	case s.Record.Role == pair.Backup && s.Unfit:
		return o.Name
	case s.Record.Role == pair.Primary && paired && s.Peer.Role == pair.Backup && s.Peer.Unfit:
		return pinned.Name
	}
	return ""
}

// underWay is the readiness of a backup whose primary has fallen silent.
func underWay(left, silent time.Duration, loss int64) *pair.Readiness {
	text := fmt.Sprintf("The primary has not answered for %s: takeover in about %s.", pair.LastingText(silent), pair.LastingText(left))
	return &pair.Readiness{Ready: true, TakeoverMS: left.Milliseconds(), LossMS: loss, Text: text}
}

// declines is the readiness of a backup whose primary is silent and which does not act.
func declines(why failover.Reason, nextStep string) *pair.Readiness {
	if why == failover.InMaintenance {
		nextStep = "End the maintenance, and this appliance takes over by itself if nothing else stands against it: baton maintenance off."
	}
	return &pair.Readiness{TakeoverMS: -1, LossMS: -1, NextStep: nextStep, Text: "The primary does not answer, and this appliance does not take over: " + why.String()}
}

func unknown(text string) *pair.Readiness {
	return &pair.Readiness{TakeoverMS: -1, LossMS: -1, Text: text, NextStep: "Look at the backup, its cable and its network."}
}

// ofBackup turns what a backup tells of itself into what its primary tells of it.
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

// unreached is the readiness of a backup that reaches too few test IPs, while its primary answers.
func unreached() *pair.Readiness {
	return &pair.Readiness{
		TakeoverMS: -1, LossMS: -1, NextStep: watch.ReachStep,
		Text: "If the primary failed now, this appliance would not take over: it does not reach enough Network Connectivity Test IPs.",
	}
}
