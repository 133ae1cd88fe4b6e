package app

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

// opening measures how long it takes to open the site here, from the decision to
// the shared IP: the part of a takeover that no setting tells.
type opening struct {
	began atomic.Int64 // failover.Instant; 0: not under way
	took  atomic.Int64 // of the newest one; 0: not measured yet
}

func (o *opening) begin() { o.began.Store(int64(agent.BootClock())) }

func (o *opening) end() {
	if began := o.began.Swap(0); began != 0 {
		o.took.Store(int64(agent.BootClock().Sub(failover.Instant(began))))
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
	if a.reached.Lost() {
		return unreached()
	}
	if left, silent, runs := seen.Config.TakeoverIn(seen.State, agent.BootClock()); silent > 0 {
		if why := seen.State.Blocked; !runs && why != failover.Agreed {
			return declines(why, remedy(seen, why))
		}
		return a.filled(underWay(left, silent, sync.DataAgeMS))
	}
	after := seen.Config.TakeoverAfter(seen.State) + a.opening.expected(a.fresh())
	return a.filled(ready(after.Milliseconds(), sync.DataAgeMS, "the primary"))
}

// filled adds to a takeover that would happen what it would lack: files, or a web
// server that works.
func (a *Appliance) filled(known *pair.Readiness) *pair.Readiness {
	if who := a.sickBackup(); who != "" {
		known.Text += " But the site failed its check on " + who + " when it was last served there."
		known.NextStep = "Look on " + who + " at what serves the site, as the web server, before you rely on it."
	}
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
	return a.readinessOfBackup(seen, seen.Config.Hears(seen.State, agent.BootClock()), sync)
}

// readinessOfBackup is what a primary knows of it. Hears: the backup answers.
func (a *Appliance) readinessOfBackup(seen agent.Seen, hears bool, sync pair.SyncStatus) *pair.Readiness {
	s, report := seen.State, a.fresh()
	switch {
	case s.Phase == pair.Conflict:
		return ofBackup(*notReady(failover.EpochsClash, remedy(seen, failover.EpochsClash)))
	case !hears && s.Failed.Set && s.Failure != pair.NoAnswer:
		return ofBackup(*notReady(failover.PeerRefusesUs, remedy(seen, failover.PeerRefusesUs)))
	case !hears || s.Phase == pair.Alone:
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

// sickBackup names the backup if its site failed its check lately; empty: it did not.
func (a *Appliance) sickBackup() string {
	seen := a.agent.Look()
	pinned, paired := a.link.Paired()
	switch s := seen.State; {
	case s.Record.Role == pair.Backup && seen.Config.SickLately(s, agent.BootClock()):
		return a.config.Name
	case s.Record.Role == pair.Primary && paired && s.Peer.Role == pair.Backup && s.Peer.Sick:
		return pinned.Name
	}
	return ""
}

// underWay is the readiness of a backup whose primary has fallen silent.
func underWay(left, silent time.Duration, loss int64) *pair.Readiness {
	text := fmt.Sprintf("The primary has not answered for %s: takeover in about %s.", pair.LastingText(silent), pair.LastingText(left))
	return &pair.Readiness{Ready: true, TakeoverMS: left.Milliseconds(), LossMS: loss, Text: text}
}

// declines is that of one whose timeout is over, and which does not act.
func declines(why failover.Reason, nextStep string) *pair.Readiness {
	return &pair.Readiness{TakeoverMS: -1, LossMS: -1, NextStep: nextStep, Text: "The primary does not answer, and this appliance does not take over: " + why.String()}
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

// unreached is the readiness of a backup that would take over but for that.
func unreached() *pair.Readiness { return notReady(failover.NetworkLost, watch.ReachStep) }
