package failover

import (
	"slices"
	"time"

	"baton/internal/pair"
)

// Next returns the state after an event, and what to do, in order.
//
// There is at most one Save in a turn. If it fails, the whole turn is undone:
// the caller goes on from the state before it, with SaveFailed, which carries
// the event. Release may stand before Save (traffic first); everything else
// comes after.
func (c Config) Next(s State, now Instant, ev Event) (State, []Action) {
	t := &turn{Config: c, State: s, now: max(now, s.Now)}
	t.Wake = Never
	t.noticeStall()
	t.noticeSettings()
	t.handle(ev)
	t.rules()
	t.retrySave(ev)
	t.Now = t.now
	return t.State, t.actions
}

// turn is one call of Next: the state being worked on and the actions so far.
type turn struct {
	Config
	State
	now      Instant
	stalled  bool // this machine stood still before this turn
	saves    bool // the record is made durable in this turn
	reunited bool // the peer was silent for a lease before it was heard in this turn
	actions  []Action
}

func (t *turn) do(actions ...Action) { t.actions = append(t.actions, actions...) }

// due reports whether the instant has come, and otherwise asks to be woken then.
func (t *turn) due(instant Instant) bool {
	if t.now >= instant {
		return true
	}
	t.Wake = min(t.Wake, instant)
	return false
}

// soon is when something is done again that was planned for an instant, no later
// than one interval from now: the interval may be shorter than when that was planned.
func (t *turn) soon(planned Instant, interval time.Duration) Instant {
	return min(planned, t.now.Add(interval))
}

// enter changes role and phase, and explains it.
func (t *turn) enter(role pair.Role, phase pair.Phase, why Reason) {
	from, to := t.Place(), Place{Role: role, Phase: phase}
	if from == to {
		return
	}
	t.Record.Role, t.Phase, t.Since = role, phase, t.now
	t.do(Explain{From: from, To: to, Reason: why})
}

// save makes the record durable, before anything that shows it. A second save
// of a turn takes the place of the first.
func (t *turn) save(record pair.Record) {
	role := t.Record.Role
	t.Record = record
	t.Record.Role = role // enter changes it, and explains
	if t.Broken == SavingRecord {
		t.Broken = NoEffect
	}
	first := slices.IndexFunc(t.actions, func(a Action) bool { return a != Release{} })
	switch {
	case first < 0:
		t.do(Save{Record: record})
	case t.saves:
		t.actions[first] = Save{Record: record}
	default:
		t.actions = slices.Insert(t.actions, first, Action(Save{Record: record}))
	}
	t.saves = true
}

// noticeStall drops what was found out before a pause of this machine: while we
// stood still, everything may have changed. The entitlement of a primary needs
// no such care: it counts from instants before the pause, so that it has run
// out by itself; the reason is told all the same.
func (t *turn) noticeStall() {
	t.stalled = t.now.Sub(t.Now) > t.part(leaseLen, t.timeout(t.State))
	if t.stalled && t.obeys(GuardStall) {
		t.Evidence.forget(t.now)
	}
}

// forget drops the evidence: answers to earlier questions do not count any more.
func (e *Evidence) forget(now Instant) {
	e.Reached, e.ReachedSince = Moment{}, Moment{}
	e.Silent, e.SilentSince, e.Probes = Moment{}, Moment{}, 0
	e.Elsewhere, e.Checks = 0, 0
	e.From = now
}

func (t *turn) handle(ev Event) {
	t.observe(ev)
	switch ev := ev.(type) {
	case Heard:
		t.heard(ev.View)
	case PollAnswered:
		t.heard(ev.View)
	case SaveFailed:
		t.saveFailed(ev.Event)
	default:
		t.handleOutcome(ev)
	}
}

// observe takes in what an event says of the world. It decides nothing, so that
// it holds even if the turn is undone.
func (t *turn) observe(ev Event) {
	switch ev := ev.(type) {
	case Heard:
		t.noteView(ev)
	case PollAnswered:
		t.Polling = false
		t.noteView(ev.Heard)
	case PollFailed:
		t.Polling = false
		t.Failure, t.Failed = ev.Reason, at(t.now)
	case TestIPsAnswered:
		t.tested(ev.Reached)
	case AddressProbed:
		t.probed(ev.Result)
	case AddressChecked:
		t.checked(ev.Owner)
	case ForeignOwner:
		t.foreignSeen()
	case RivalProbed:
		t.Evidence.rivalSeen(t.now, t.timeout(t.State))
	case SiteHealth:
		if ev.Check == t.Judged {
			t.judge(ev.Sick)
		}
	case CarrierSeen:
		t.carrierSeen(ev.Up)
	case DataChanged:
		t.Record.Snapshot, t.SnapshotAt = ev.Snapshot, ev.Taken
	case DataOffered:
		t.Newest = ev.Snapshot
	case DataTorn:
		t.Torn = ev.Torn
	case ServicesSet:
		t.Stopping = t.Stopping && !ev.OK
	case SetAsideDone:
		t.Setting = false
	case DataOpened:
		t.Opening = false
		t.Torn = t.Torn && !ev.OK
	case Released:
		t.Held = t.Held && !ev.OK
	}
}

// carrierSeen notes since when the cables of all shared IPs are in, or one is out.
func (t *turn) carrierSeen(up bool) {
	switch {
	case up && t.Unplugged.Set:
		t.Unplugged, t.Plugged = Moment{}, t.now
	case !up && !t.Unplugged.Set:
		t.Unplugged = at(t.now)
	}
}

func (t *turn) handleOutcome(ev Event) {
	switch ev := ev.(type) {
	case DataOpened:
		t.opened(OpeningData, OpeningOfData, outcome(ev))
	case ServicesSet:
		t.servicesSet(ev)
	case Claimed:
		t.opened(Claiming, ClaimOfAddress, outcome(ev))
	case Renewed:
		t.renewed(ev)
	case RequestsHeld:
		t.requestsHeld(ev)
	case TrafficClosed:
		t.trafficClosed(ev)
	case Released:
		t.released(ev)
	case SetAsideDone:
		t.setAsideDone(ev)
	default:
		t.handleSwitch(ev)
	}
}

func (t *turn) handleSwitch(ev Event) {
	switch ev := ev.(type) {
	case SyncEnded:
		t.syncEnded(ev.OK)
	case HoldAnswered:
		t.holdAnswered(ev.OK)
	case CommitAnswered:
		t.commitAnswered(ev.OK)
	case HoldAsked:
		t.holdAsked(ev)
	case CommitAsked:
		t.commitAsked(ev)
	case HoldEnded:
		t.holdEnded(TakerGaveUp)
	case AddressTicked:
		t.addressTicked(ev)
	case BecomePrimary:
		t.becomePrimary(ev)
	case BecomeStandalone:
		t.becomeStandalone()
	case BecomePaired:
		t.becomePaired(ev.Role)
	case SetMaintenance:
		t.setMaintenance(ev)
	case Resume:
		t.resumeAutomatic()
	}
}

// rules applies everything that follows from the state and the passing of time.
func (t *turn) rules() {
	before, door := t.Place(), t.Door
	switch t.Record.Role {
	case pair.Standalone:
		t.beStandalone()
	case pair.Primary:
		t.bePrimary()
	case pair.Backup:
		t.beBackup()
	}
	t.poll()
	t.retryRelease()
	t.retryServices()
	t.watchSwitch()
	if t.Place() != before || t.Door != door {
		t.Wake = t.now // other rules hold now
	}
}

// poll asks the peer at the poll interval: a backup always, a primary while it
// does not hear its backup.
func (t *turn) poll() {
	wanted := t.Record.Role == pair.Backup || t.Record.Role == pair.Primary &&
		(t.Door == Closed || t.untold() || !t.PeerHeard.within(silentPolls*t.every(t.State), t.now))
	if t.Record.Role == pair.Primary && t.PeerHeard.Set && !wanted {
		t.due(t.PeerHeard.At.Add(silentPolls * t.every(t.State)))
	}
	t.NextPoll = t.soon(t.NextPoll, t.every(t.State))
	if t.untold() {
		t.NextPoll = t.soon(t.NextPoll, untoldPoll)
	}
	if !wanted || t.Polling || !t.due(t.NextPoll) {
		return
	}
	t.Polling = true
	t.NextPoll = t.now.Add(t.every(t.State))
	t.do(Poll{Wait: t.pollWait(t.State)})
}

// noticeSettings has the peer told soon of settings that have changed.
func (t *turn) noticeSettings() {
	if t.InForce != t.SettingsSum {
		t.InForce = t.SettingsSum
		t.changed()
	}
	if t.Judged != t.SiteCheck { // another check has yet to judge
		t.Judged, t.Sick = t.SiteCheck, false
	}
}

// judge takes in what the check of the site has found.
func (t *turn) judge(sick bool) {
	switch t.Sick = sick; {
	case sick:
		t.SickAt = at(t.now)
	case t.Serving(): // it has passed the check again here
		t.SickAt = Moment{}
	}
}

// changed notes that the peer has to learn of a change, and has it asked now.
func (t *turn) changed() { t.Changed, t.NextPoll = at(t.now), t.now }

// untold reports whether the peer is not known yet to have taken in what changed
// here. A backup takes in settings by asking for them.
func (t *turn) untold() bool {
	if t.Record.Role == pair.Standalone {
		return false
	}
	missed := t.Changed.Set && t.Confirmed.or(0) <= t.Changed.At
	older := t.Record.Role == pair.Primary && t.Peer.Settings != 0 && t.Peer.Settings != t.SettingsSum
	return missed || older
}

// silentFor says how long the peer has confirmed nothing.
func (t *turn) silentFor() time.Duration { return t.now.Sub(t.Confirmed.or(0)) }
