package agent

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"baton/internal/cause"
	"baton/internal/failover"
	"baton/internal/pair"
)

// Options are what an agent is made of.
type Options struct {
	Config   failover.Config
	Record   pair.Record // as stored
	Snapshot pair.Snapshot
	Left     *failover.Continuation // what the process before this one left; nil: this one begins anew
	Offered  pair.Snapshot          // newest that this appliance offered as primary, as stored
	Store    Store
	Mover    Mover
	Evidence Evidence
	Peer     Peer
	Door     Door
	Services Services
	Data     Data
	History  History
	Log      *slog.Logger
	Clock    func() failover.Instant // CLOCK_BOOTTIME
	Wall     func() time.Time
	// Schedule says when the next automatic data sync begins.
	Schedule func(after time.Time) time.Time
	// Found adds the conditions that the edges know of. It may be nil.
	Found func() []pair.Condition
	// Beat is called while the loop turns, for a watchdog. It may be nil.
	Beat func()
}

// Agent is one appliance's loop.
type Agent struct {
	Options
	inbox   inbox
	changed *broadcast
	newest  atomic.Pointer[Decision]
	syncs   *syncs
	board   *board
	departs chan struct{} // closed once nothing keeps a daemon that was told to stop
	leaves  chan chan<- *failover.Continuation
	beside  beside

	// The rest belongs to the loop alone.
	config   failover.Config
	state    failover.State
	pending  []failover.Event // outcomes that came while actions were carried out
	callers  callers
	cause    error   // why the step of a switch failed whose event is being handled
	duties   *duties // of the services
	hold     *call   // of the door's Hold; nil: requests are not held
	asking   *call   // of the primary's hold; nil: it is not asked
	account  account
	answered answers
	failures map[string]error // why effects failed when last tried, by the id of their condition
	found    []pair.Condition // what the edges knew of
	foundAt  failover.Instant // when they were asked
}

// Decision is what is decided at one instant, and by which settings.
type Decision struct {
	Config failover.Config
	State  failover.State
}

// New returns an agent that has not begun to act.
func New(options Options) *Agent {
	options.History = newRateLimited(options.History, options.Wall)
	a := &Agent{
		Options:  options,
		inbox:    newInbox(),
		changed:  newBroadcast(),
		config:   options.Config,
		duties:   newDuties(options.Services),
		failures: map[string]error{},
		board:    newBoard(options.History, options.Wall),
		departs:  make(chan struct{}),
		leaves:   make(chan chan<- *failover.Continuation),
	}
	now := options.Clock()
	a.state = options.Config.Start(options.Record, now)
	a.state.Newest = options.Offered
	if snapshot := options.Snapshot; !snapshot.IsZero() { // before anything is told of its age
		a.state.Record.Snapshot, a.state.SnapshotAt = snapshot, a.takenAt(snapshot)
	}
	a.account = account{history: options.History, log: options.Log, clock: options.Clock, wall: options.Wall}
	a.beside.inbox = a.inbox
	a.syncs = newSyncs(a)
	a.publish()
	return a
}

// Run acts until ctx ends, and then takes the site down here: shared IP off, door closed,
// services stopped. After Leave it ends as it is.
func (a *Agent) Run(ctx context.Context) error {
	work, stop := context.WithCancel(ctx)
	a.beside.Go(func() {
		a.duties.run(work, func(turn uint64, duty pair.Duty, err error) { a.served(work, turn, duty, err) })
	})
	a.beside.Go(func() { a.syncs.run(work) })
	if a.Left != nil {
		a.step(work, failover.Continue{Left: *a.Left})
	}
	if a.Data.Torn() {
		a.step(work, failover.DataTorn{Torn: true})
	}
	a.step(work, failover.Tick{})
	timer := time.NewTimer(0)
	defer timer.Stop()
	var leave func() // tells what the next process is to know; nil: none goes on
	for ctx.Err() == nil && leave == nil {
		timer.Reset(sleepUntil(a.config.Deadline(a.state), a.Clock()))
		select {
		case m := <-a.inbox.messages:
			a.receive(work, m)
		case <-timer.C:
			a.pass(work)
		case left := <-a.leaves:
			if continuation := a.leave(work); continuation != nil {
				leave = func() { left <- continuation }
			} else {
				close(left)
			}
		case <-ctx.Done():
		}
	}
	stop()
	close(a.inbox.ended)
	if leave == nil {
		a.takeDown()
		a.beside.Wait()
		return nil
	}
	a.beside.Wait()
	a.callers.end()
	leave()
	return nil
}

// pass handles the events that have arrived, and only then lets time pass: a machine that
// had no processor for a while must not decide on evidence that is older than the events in
// its inbox.
func (a *Agent) pass(ctx context.Context) {
	for range len(a.inbox.messages) {
		a.receive(ctx, <-a.inbox.messages)
	}
	a.step(ctx, failover.Tick{})
}

// maxSleep bounds how long the loop waits, so that a watchdog sees it turn.
const maxSleep = time.Second

func sleepUntil(deadline, now failover.Instant) time.Duration {
	return min(max(deadline.Sub(now), 0), maxSleep)
}

// takenAt converts a snapshot's wall-clock time to our own clock, as well as
// the two clocks allow. A stamp from the future tells nothing of its age.
func (a *Agent) takenAt(s pair.Snapshot) failover.Moment {
	age := a.Wall().Sub(time.UnixMilli(s.TakenAt))
	if age < 0 {
		return failover.Moment{}
	}
	return failover.Moment{At: a.Clock().Add(-age), Set: true}
}

func (a *Agent) receive(ctx context.Context, m message) {
	if m.newest != nil && !m.newest() {
		return
	}
	if m.change != nil {
		m.change(&a.config)
		a.step(ctx, failover.Tick{})
		return
	}
	if m.reply != nil && !a.callers.takeCommand(m, a.state.Switch.Step) {
		return
	}
	if m.ask != nil {
		a.callers.takeQuestion(m)
	}
	if heard, ok := m.event.(failover.Heard); ok && m.view != nil {
		sent := a.Clock()
		a.step(ctx, heard)
		a.answered.add(m.seq, sent)
		m.view <- a.config.View(a.state)
		return
	}
	switch ev := m.event.(type) {
	case failover.SiteHealth:
		a.failures["site-sick"] = m.cause
	case failover.StoreChecked:
		a.failures["state-not-saved"] = m.cause
	case failover.ServicesSet:
		a.failures[map[bool]string{false: "services-failed", true: "service-does-not-stop"}[ev.Duty == pair.Rest]] = m.cause
	}
	a.cause = m.cause
	a.step(ctx, m.event)
	a.cause = nil
}

// causeOf returns why the step of a switch failed that ends for a reason; empty if that is
// not known.
func (a *Agent) causeOf(reason failover.Reason) string {
	switch {
	case a.cause == nil:
		return ""
	case reason == failover.SyncFailed, reason == failover.PeerRefused, reason == failover.NoAnswerToCommit, reason == failover.EffectFailed, reason == failover.NotClosed, reason == failover.RequestsCutOff, reason == failover.NotAllPassedOn:
		return cause.Of(a.cause)
	}
	return ""
}

// step hands the decision one event, carries out what it answers, and does the
// same for the outcomes.
func (a *Agent) step(ctx context.Context, event failover.Event) {
	a.config.StopLimit = a.Services.StopLimit() // a service may have been added, or declare something else now
	a.pending = append(a.pending, event)
	for len(a.pending) > 0 {
		next := a.pending[0]
		a.pending = a.pending[1:]
		a.turn(ctx, next)
	}
	a.publish()
	if a.Beat != nil {
		a.Beat()
	}
}

// turn is one call of the decision. A record that cannot be made durable undoes
// it: what was decided never came to be.
func (a *Agent) turn(ctx context.Context, event failover.Event) {
	state, actions := a.config.Next(a.state, a.Clock(), event)
	for _, action := range actions {
		if save, ok := action.(failover.Save); ok {
			err := a.Store.SaveRecord(ctx, save.Record)
			a.failures["state-not-saved"] = err
			if err != nil {
				a.Log.Error("record not stored", slog.String("error", err.Error()))
				a.pending = slices.Insert(a.pending, 0, failover.Event(failover.SaveFailed{Event: event}))
				return
			}
			a.state = state
		}
		a.perform(ctx, state, action)
	}
	a.state = state
}

// foundEvery is how often the edges are asked for their conditions at most: a loop that has nothing to do
// turns once a second, and one that has much to do asks no more often than anybody can read them.
const foundEvery = 500 * time.Millisecond

// publish lets everybody else see where the decision stands.
func (a *Agent) publish() {
	old := a.newest.Load()
	decision := &Decision{Config: a.config, State: a.state}
	a.newest.Store(decision)
	a.follow(old, decision)
	if now := a.Clock(); a.Found != nil && (old == nil || now.Sub(a.foundAt) >= foundEvery) {
		a.found, a.foundAt = a.Found(), now
	}
	raised := a.board.update(append(a.withCauses(a.config.Conditions(a.state)), a.found...))
	if old == nil || raised || old.differs(decision) {
		a.changed.send()
	}
}

// differs reports whether two decisions differ in something that somebody waits for.
func (d *Decision) differs(other *Decision) bool {
	a, b := &d.State, &other.State
	return a.Place() != b.Place() || a.Record.Maintenance != b.Record.Maintenance || a.Held != b.Held ||
		d.Config.MaySync(*a) != other.Config.MaySync(*b) || d.Config != other.Config
}

// withCauses adds to conditions why they came, and why they last. What failed stands behind what
// follows from it.
func (a *Agent) withCauses(conditions []pair.Condition) []pair.Condition {
	unopened := "" // what keeps the site from opening
	for i, condition := range slices.Backward(conditions) {
		err := a.failures[condition.ID]
		if condition.ID == "key-mismatch" {
			err = a.Peer.Refused()
		}
		if err != nil {
			conditions[i].Reason = cause.Of(err)
			conditions[i].Text += " " + conditions[i].ReasonText()
		}
		why := a.config.Because(a.state, condition.ID)
		switch condition.ID {
		case "data-not-opened", "services-failed", "claim-failed":
			unopened = conditions[i].Text
		case "not-serving":
			why = cmp.Or(unopened, why)
		}
		if why != "" {
			conditions[i].Text += " " + why
		}
	}
	return conditions
}

// follow keeps what hangs on the state, not on a single action, in line with it.
func (a *Agent) follow(old, decision *Decision) {
	s := decision.State
	if s.Switch.Step != failover.AskingHold {
		endCall(&a.asking)
	}
	if left(s) && (old == nil || !left(old.State)) {
		a.Mover.Leave()
	}
	a.Mover.Alone(s.Phase == pair.Alone)
	// A primary whose site does not come up has the newest data all the same.
	if s.Record.Role == pair.Primary && s.Phase != pair.Conflict && !s.Opening {
		a.Data.Offer(s.Record.Epoch)
	} else {
		a.Data.Withdraw()
	}
	if a.config.MaySync(s) {
		a.syncs.allow(s.Record.Epoch)
	} else {
		a.syncs.allow(pair.Epoch{})
	}
}

// left reports whether no client is answered here any more, be it by the peer.
func left(s failover.State) bool {
	return s.Record.Role == pair.Backup && s.Switch.Step != failover.Forwarding
}

// Decision returns the newest decision.
func (a *Agent) Decision() Decision { return *a.newest.Load() }

// Conditions returns what an administrator should know now.
func (a *Agent) Conditions() []pair.Condition { return a.board.list() }

// Refresh has everybody who waits for a change look again: something visible has
// changed beside the decision.
func (a *Agent) Refresh() { a.changed.send() }

// Changed returns a channel that is closed at the next visible change.
func (a *Agent) Changed() <-chan struct{} { return a.changed.wait() }
