package failover

import (
	"time"

	"baton/internal/pair"
)

// State is everything that the decision knows. It is comparable; the zero value
// is not a state: Start makes one.
type State struct {
	Record pair.Record // durable: what was saved last
	Phase  pair.Phase
	Since  Instant // of the role and phase
	Now    Instant // newest instant handed in
	Wake   Instant // call Next with Tick then, if nothing else happens

	Door     Door      // how far the site is open here
	Held     bool      // a shared IP may be on an interface: from asking for it until it is reported off
	Opening  bool      // data is being opened, perhaps for an opening that was given up
	Duty     pair.Duty // what the services were asked for last
	Stopping bool      // they have not all stopped yet, as they were asked to
	Setting  bool      // a diverged copy is being set aside
	Forced   bool      // serves on an administrator's word until the peer is heard
	Leaving  Leaving   // how far this daemon is, if it was told to stop
	LeaveBy  Instant   // until when it may hand over

	PassedOn  Instant // until when the former primary may have the shared IP on, for requests that it passes on to this one; Never: as long as this one lets it; 0: it has not
	Inherited Instant // until when the process before this one was entitled to serve, which goes on; 0: it does not

	Peer         pair.View // newest view of the peer
	PeerHeard    Moment    // when it came
	PrimaryHeard Moment    // when the peer was last heard as a primary
	Confirmed    Moment    // when we sent the newest message that the peer is known to have received
	Failure      pair.PollFailure
	Failed       Moment // newest failed poll; unset once the peer is heard

	InForce uint64           // sum of the settings at the newest turn
	Set     time.Duration    // timeout that was set at the newest turn
	Timeout time.Duration    // timeout that this primary goes by, or a backup at least; 0: not known yet
	Armed   bool             // the settings at the newest turn let a backup take over by itself
	ArmedAt Moment           // since when they do, where no backup is known that could by those before
	Judged  pair.HealthCheck // by which the site is found sick or well
	Changed Moment           // when something changed here that the peer has to know

	Agreeing   Moment // since when the peer has shown nothing but an epoch that agrees with ours, in a conflict
	AgreeRun   uint64 // in which run of its daemon
	Reconciled Moment // when a conflict last ended by itself

	Polling  bool // a poll is under way
	NextPoll Instant

	RenewFails Moment // since when the address's lifetime could not be extended
	Evidence   Evidence
	Switch     Switch
	NextRenew  Instant // of the address's lifetime
	Broken     Effect  // newest effect that failed and is to be tried again
	Again      Effect  // Broken, when the site began to open
	Retry      Instant // when
	Tries      uint8   // attempts in a row that failed, to open the site or to set data aside
	ReleaseAt  Moment  // when a release that failed is tried again
	DutyAgain  Moment  // when the services are asked again for what they failed to do
	DutyTries  uint8   // how often in a row they have failed to do it
	Blocked    Reason  // why a takeover (or a return) that is due does not happen
	Ready      Moment  // since when nothing stands against a return
	Observed   bool    // observe only: this suspicion has been recorded

	SnapshotAt Moment        // when the newest complete snapshot was taken
	Newest     pair.Snapshot // newest that this appliance offered as primary
	SetBack    bool          // the backup holds one of our epoch that we never offered
	Torn       bool          // a snapshot is half in place here, or on a disk that is not mounted
	Unwritable bool          // a regular check has found that the record cannot be made durable
	Takeovers  [3]Moment     // newest automatic takeovers
	Sick       bool          // our own site fails its health checks
	SickAt     Moment        // when it was last seen to, or did not come up, or the primary to which it went was sick as well; unset: it is well
	Unfit      bool          // a dry start has found what would keep the site's services from running here
	Unplugged  Moment        // since when the interface of a shared IP has no carrier; unset: all have one
	Plugged    Instant       // since when all have one
	Offered    Instant       // when a primary that is not well may next offer a handover
	Unsynced   Moment        // when one that was offered to this backup last failed for want of its final data sync
	Foreign    Moment        // newest announcement of our shared IP by another machine
}

// Door says how far the site is open on this appliance. Each step waits for
// the one before it.
type Door uint8

// The steps.
const (
	Closed           Door = iota
	OpeningData           // protected data is being made whole
	StartingServices      // services are being started
	AwaitingRelease       // the former primary passes requests on, and takes the shared IP off
	Claiming              // shared IPs are being put on
	Open                  // requests are answered
	Shut                  // of a planned switch: no traffic passes, and the address may stay on
)

// serves reports whether the site is open, or would be but for a planned switch.
func (d Door) serves() bool { return d == Open || d == Shut }

// Effect names what can fail on the way.
type Effect uint8

// The effects.
const (
	NoEffect Effect = iota
	SavingRecord
	OpeningOfData
	StartOfServices
	StopOfServices
	ClaimOfAddress
	ReleaseOfAddress
	SettingAside
)

// Evidence is what has been gathered about the own network and the shared IP.
type Evidence struct {
	Testing      bool    // a round of pings is under way
	TestBegan    Instant // begin of the newest round
	NextTest     Instant
	Reached      Moment // begin of the newest round that enough test IPs answered
	ReachedSince Moment // begin of the first round of an unbroken run of such rounds

	Probing     bool // an address probe is under way
	ProbeBegan  Instant
	NextProbe   Instant
	Silent      Moment // begin of the newest probe that nobody answered
	SilentSince Moment // begin of the first probe of an unbroken run of such probes
	Probes      uint8  // length of that run, at most minProbes
	Owned       Moment // newest probe that another machine answered
	Probed      Moment // when the newest probe that counts ended, whatever it found

	Rival      Moment // newest probe of the shared IP by another machine, which is about to put it on
	RivalSince Moment // begin of an unbroken run of such probes

	Checking  bool   // a lost-address check is under way
	LastCheck Moment // begin of the newest one
	Checks    uint8  // checks that ended since the site was closed here, at most lostInARow
	Trusted   bool   // a check has shown OwnerSelf since the address was last claimed here: it works on this network
	Elsewhere uint8  // checks in a row that showed OwnerElsewhere
	Reclaims  uint8  // announcements against a predecessor since the address was last ours for a while
	Reclaimed Moment // when the newest of them was made

	From Instant // whatever began before says nothing: this machine stood still, or the question was another
}

// Switch is a planned switch under way. The zero value is none.
type Switch struct {
	Step   SwitchStep
	Final  bool          // with a final data sync
	Own    bool          // asked for by the primary itself: it counts as a takeover does
	Began  Instant       // the present step
	Next   pair.Epoch    // epoch to be handed over
	By     Moment        // takes: when to ask for the commit at the latest, since the primary stops; unset: no such limit
	Passed bool          // takes: the primary was asked to go on holding requests, and to pass them on
	Ready  bool          // gives: all is closed, and the backup has its answer
	Told   Moment        // when the primary last told what its hold waits for, in this step
	Until  Moment        // until when that may last
	Lease  time.Duration // forwards: for how long after each such message it may keep the shared IP on
	Word   Moment        // forwards: when the newest message was sent that the new primary had received when it let us
}

// SwitchStep is where a planned switch stands.
type SwitchStep uint8

// The steps, first those of the backup that takes, then those of the primary that gives.
const (
	NoSwitch     SwitchStep = iota
	Syncing                 // takes: a data sync while the primary serves
	AskingHold              // takes: waits for the primary to hold requests
	FinalSyncing            // takes: the final data sync
	Committing              // takes: waits for the primary to store the handover
	Holding                 // gives: new requests wait, running ones end
	Stopped                 // gives: services stopping or stopped
	Giving                  // gives: handover stored, shared IP coming off
	Forwarding              // gives: handover stored, requests wait to be passed on to the new primary
	Resuming                // gives no more: rolled back, services starting again
)

// holds reports whether the primary holds requests for the switch.
func (s Switch) holds() bool { return s.Step == Holding || s.Step == Stopped }

// takes reports whether this appliance is about to take over in the switch.
func (s Switch) takes() bool { return s.Step >= Syncing && s.Step <= Committing }

// Start returns the state of an appliance that has just started. Nothing is on an interface: the
// agent has seen to that. Services may still run that a killed daemon started, or that started by
// themselves: they are asked to rest in the first turn, unless that goes on where another process
// left off.
func (c Config) Start(record pair.Record, now Instant) State {
	s := State{Record: record, Phase: pair.Waiting, Since: now, Now: now, Wake: now, NextPoll: now, Plugged: now, Set: c.Timeout, Stopping: true, DutyAgain: at(now)}
	s.Armed = rivalSet(facts{&s, &c, now})
	if record.Role == pair.Backup {
		s.Phase = pair.Releasing // until services are known to be stopped and a diverged copy is set aside
		if record.Diverged.IsZero() {
			s.Phase = pair.Waiting
		}
	}
	if !record.Conflict.IsZero() {
		s.Phase = pair.Conflict
	}
	if record.Sick {
		s.SickAt = at(now)
	}
	// How long ago the stored takeovers were is not known without a wall clock:
	// counting them as just now pauses automatic failover rather too early.
	for i := range min(int(record.Takeovers), len(s.Takeovers)) {
		s.Takeovers[i] = at(now)
	}
	return s
}

// Place returns role and phase.
func (s State) Place() Place { return Place{Role: s.Record.Role, Phase: s.Phase} }

// Serving reports whether the site answers here.
func (s State) Serving() bool { return s.Door == Open }

// Deadline says when to call Next with Tick, if nothing else happens before.
func (c Config) Deadline(s State) Instant { return s.Wake }

// MaySync reports whether data may be pulled from the peer now.
func (c Config) MaySync(s State) bool {
	return s.Record.Role == pair.Backup && s.Record.Diverged.IsZero() && !s.Stopping && !s.Held &&
		s.Door == Closed && s.Peer.Role == pair.Primary && s.Peer.Epoch == s.Record.Epoch &&
		s.PrimaryHeard.Set && s.Record.Conflict.IsZero() && !s.Peer.SetBack
}

// View is what this appliance tells its peer.
func (c Config) View(s State) pair.View {
	f := facts{&s, &c, s.Now}
	return pair.View{
		ID:          c.Self,
		PairID:      c.PairID,
		Role:        s.Record.Role,
		Phase:       s.Phase,
		Epoch:       s.Record.Epoch,
		Granted:     s.Record.Granted && !s.Held,
		Lineage:     s.Record.Lineage,
		Snapshot:    s.Record.Snapshot,
		Serving:     s.Held || s.Door == Open,
		Hold:        f.hold(),
		Eligible:    s.Record.Role == pair.Backup && eligible(f).why == Agreed,
		Sick:        s.Sick || s.SickAt.Set,
		Unfit:       s.Unfit,
		Plugged:     !s.Unplugged.Set && s.Now.Sub(s.Plugged) >= pluggedFor,
		SetBack:     s.Record.Role == pair.Primary && s.SetBack,
		Unwritable:  s.Unwritable,
		SharedIP:    c.SharedIP,
		Ticked:      c.Ticked,
		Traffic:     c.TrafficLease,
		Front:       c.Front,
		LetsForward: letsForward(f),
		Maintenance: s.Record.Maintenance,
		Armed:       s.Record.Role == pair.Backup && f.armed(),
		Settings:    c.SettingsSum,
		Run:         c.Run,
		Timeout:     promised(f),
		Version:     c.Version,
	}
}
