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
	t := &turn{State: s, config: c, now: max(now, s.Now)}
	t.Wake = Never
	noticeStall(t)
	noticeSettings(t)
	handle(t, ev)
	keepTimeout(t)
	applyRules(t)
	endSickness(t, ev)
	retrySave(t, ev)
	t.Now = t.now
	return t.State, t.actions
}

// turn is one call of Next: the state being worked on and the actions so far. Its methods
// are what a rule may do; the rules are functions of a turn, in the file of their subject.
type turn struct {
	State
	config   Config
	now      Instant
	stalled  bool // this machine stood still before this turn
	saves    bool // the record is made durable in this turn
	reunited bool // the peer was silent for a lease before it was heard in this turn
	actions  []Action
}

// facts is what the rules go by, as it is now.
func (t *turn) facts() facts { return facts{&t.State, &t.config, t.now} }

// timeout is the one that counts now.
func (t *turn) timeout() time.Duration { return t.facts().timeout() }

func (t *turn) do(actions ...Action) { t.actions = append(t.actions, actions...) }

// due reports whether the instant has come, and otherwise asks to be woken then.
func (t *turn) due(instant Instant) bool {
	if t.now >= instant {
		return true
	}
	t.Wake = min(t.Wake, instant)
	return false
}

// heed returns what stands against something, and asks to be woken when time ends it.
func (t *turn) heed(v verdict) Reason {
	t.Wake = min(t.Wake, v.until)
	return v.why
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

// changed notes that something changed which the peer has to know, and has it asked now.
func (t *turn) changed() { t.Changed, t.NextPoll = at(t.now), t.now }

// noticeStall drops what was found out before a pause of this machine: while we
// stood still, everything may have changed. The entitlement of a primary needs
// no such care: it counts from instants before the pause, so that it has run
// out by itself; the reason is told all the same.
func noticeStall(t *turn) {
	t.stalled = t.now.Sub(t.Now) > part(leaseLen, t.timeout())
	if t.stalled && t.obeys(GuardStall) {
		t.Evidence.forget(t.now)
	}
}

func handle(t *turn, ev Event) {
	t.reunited = observe(&t.State, t.facts(), ev)
	switch ev := ev.(type) {
	case Heard:
		hearPeer(t, ev.View)
	case PollAnswered:
		hearPeer(t, ev.View)
	case SaveFailed:
		saveFailed(t, ev.Event)
	default:
		handleOutcome(t, ev)
	}
}

func handleOutcome(t *turn, ev Event) {
	switch ev := ev.(type) {
	case DataOpened:
		opened(t, OpeningData, OpeningOfData, outcome(ev))
	case ServicesSet:
		servicesSet(t, ev)
	case Claimed:
		opened(t, Claiming, ClaimOfAddress, outcome(ev))
	case Renewed:
		renewed(t, ev)
	case RequestsHeld:
		requestsHeld(t, ev)
	case RequestsForwarded:
		requestsForwarded(t, ev)
	case TrafficClosed:
		trafficClosed(t, ev)
	case Released:
		released(t, ev)
	case SetAsideDone:
		setAsideDone(t, ev)
	default:
		handleSwitch(t, ev)
	}
}

func handleSwitch(t *turn, ev Event) {
	switch ev := ev.(type) {
	case SyncEnded:
		syncEnded(t, ev.OK)
	case HoldAnswered:
		holdAnswered(t, ev.OK)
	case CommitAnswered:
		commitAnswered(t, ev.OK)
	case HoldAsked:
		holdAsked(t, ev)
	case CommitAsked:
		commitAsked(t, ev)
	case ReleaseAsked:
		releaseAsked(t, ev)
	case ReleaseAnswered:
		releaseAnswered(t, ev)
	case HoldEnded:
		holdEnded(t, TakerGaveUp)
	case AddressTicked:
		addressTicked(t, ev)
	case BecomePrimary:
		becomePrimary(t, ev)
	case BecomeStandalone:
		becomeStandalone(t)
	case BecomePaired:
		becomePaired(t, ev.Role)
	case Stop:
		toldToStop(t, ev)
	case Continue:
		goOn(t, ev.Left)
	case OfferEnded:
		t.Leaving = offerEnded(t.Leaving)
	case SetMaintenance:
		setMaintenance(t, ev)
	case Resume:
		resumeAutomatic(t)
	}
}

// applyRules applies everything that follows from the state and the passing of time.
func applyRules(t *turn) {
	before, door := t.Place(), t.Door
	switch t.Record.Role {
	case pair.Standalone:
		beStandalone(t)
	case pair.Primary:
		bePrimary(t)
	case pair.Backup:
		beBackup(t)
		followPrimaryServices(t)
	}
	pollPeer(t)
	retryRelease(t)
	retryServices(t)
	watchSwitch(t)
	leave(t)
	if t.Place() != before || t.Door != door {
		t.Wake = t.now // other rules hold now
	}
}

// pollPeer asks the peer at the poll interval: a backup always, a primary while it
// does not hear its backup often enough: one that cannot store our timeout goes by a longer one.
func pollPeer(t *turn) {
	wanted := t.Record.Role == pair.Backup || t.Record.Role == pair.Primary &&
		(t.Door == Closed || t.facts().mustTell() || t.due(heardUntil(t.facts())))
	t.NextPoll = t.soon(t.NextPoll, t.facts().every())
	if t.facts().mustTell() {
		t.NextPoll = t.soon(t.NextPoll, untoldPoll)
	}
	if !wanted || t.Polling || !t.due(t.NextPoll) {
		return
	}
	t.Polling = true
	t.NextPoll = t.now.Add(t.facts().every())
	t.do(Poll{Wait: pollWait(least(t.facts()))})
}

// noticeSettings marks settings that have changed, so that the peer is told soon.
func noticeSettings(t *turn) {
	if t.InForce != t.config.SettingsSum {
		t.InForce = t.config.SettingsSum
		t.changed()
	}
	if t.Set != t.config.Timeout {
		t.Set, t.NextRenew = t.config.Timeout, t.now
		t.changed()
	}
	if armed := rivalSet(t.facts()); armed != t.Armed {
		t.Armed, t.ArmedAt = armed, Moment{}
		if armed && !rivalHeard(t.facts()) {
			t.ArmedAt = at(t.now)
		}
	}
	if t.Judged != t.config.SiteCheck { // another check has yet to judge
		t.Judged, t.Sick = t.config.SiteCheck, false
	}
}
