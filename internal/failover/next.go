package failover

import (
	"time"

	"baton/internal/pair"
)

// Next returns the state after an event, and what to do, in order.
//
// A Save among the actions that fails undoes the whole turn: the caller goes on
// from the state before it, with SaveFailed. Release may stand before Save
// (traffic first); everything else comes after.
func (c Config) Next(s State, now Instant, ev Event) (State, []Action) {
	t := &turn{Config: c, State: s, now: max(now, s.Now)}
	t.Wake = Never
	t.noticeStall()
	t.handle(ev)
	t.rules()
	t.Now = t.now
	return t.State, t.actions
}

// turn is one call of Next: the state being worked on and the actions so far.
type turn struct {
	Config
	State
	now     Instant
	stalled bool // this machine stood still before this turn
	actions []Action
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

// enter changes role and phase, and explains it.
func (t *turn) enter(role pair.Role, phase pair.Phase, why Reason) {
	from, to := t.Place(), Place{Role: role, Phase: phase}
	if from == to {
		return
	}
	t.Record.Role, t.Phase, t.Since = role, phase, t.now
	t.do(Explain{From: from, To: to, Reason: why})
}

// save makes the record durable, before anything that shows it.
func (t *turn) save(record pair.Record) {
	role := t.Record.Role
	t.Record = record
	t.Record.Role = role // enter changes it, and explains
	t.do(Save{Record: record})
}

// noticeStall drops what was found out before a pause of this machine: while we
// stood still, everything may have changed. The entitlement of a primary needs
// no such care: it counts from instants before the pause, so that it has run
// out by itself; the reason is told all the same.
func (t *turn) noticeStall() {
	t.stalled = t.now.Sub(t.Now) > t.part(leaseLen, t.timeout(t.State))
	if t.stalled && t.obeys(GuardStall) {
		t.Evidence.forget()
	}
}

func (e *Evidence) forget() {
	e.Reached, e.ReachedSince = Moment{}, Moment{}
	e.Silent, e.SilentSince, e.Probes = Moment{}, Moment{}, 0
}

func (t *turn) handle(ev Event) {
	switch ev := ev.(type) {
	case Tick:
	case Heard:
		t.heard(ev)
	case PollAnswered:
		t.Polling = false
		t.heard(ev.Heard)
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
		t.Foreign = at(t.now)
		t.NextPoll = t.now
	case SiteHealth:
		t.Sick = ev.Sick
	case DataChanged:
		t.Record.Snapshot, t.SnapshotAt = ev.Snapshot, at(ev.Taken)
	default:
		t.handleOutcome(ev)
	}
}

func (t *turn) handleOutcome(ev Event) {
	switch ev := ev.(type) {
	case SaveFailed:
		t.saveFailed()
	case DataOpened:
		t.opened(OpeningData, OpeningOfData, ev.OK)
	case ServicesStarted:
		t.opened(StartingServices, StartOfServices, ev.OK)
	case Claimed:
		t.opened(Claiming, ClaimOfAddress, ev.OK)
	case ServicesStopped:
		t.Stopping = false
		t.servicesStopped()
	case Released:
		t.released(ev.OK)
	case SetAsideDone:
		t.setAsideDone(ev.OK)
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
	t.watchSwitch()
}

// poll asks the peer at the poll interval: a backup always, a primary while it
// does not hear its backup.
func (t *turn) poll() {
	wanted := t.Record.Role == pair.Backup || t.Record.Role == pair.Primary &&
		(t.Door == Closed || !t.PeerHeard.within(silentPolls*t.Config.Poll, t.now))
	if t.Record.Role == pair.Primary && t.PeerHeard.Set && !wanted {
		t.due(t.PeerHeard.At.Add(silentPolls*t.Config.Poll + 1))
	}
	if !wanted || t.Polling || !t.due(t.NextPoll) {
		return
	}
	t.Polling = true
	t.NextPoll = t.now.Add(t.Config.Poll)
	t.do(Poll{Wait: t.pollWait(t.State)})
}

// silentFor says how long the peer has confirmed nothing.
func (t *turn) silentFor() time.Duration { return t.now.Sub(t.Confirmed.or(0)) }
