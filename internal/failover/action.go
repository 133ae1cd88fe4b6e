package failover

import (
	"time"

	"baton/internal/pair"
)

// Action is something for the agent to do. Actions are carried out in order;
// the set is closed.
type Action interface{ action() }

// The actions. Those that take time report their outcome as an event.
type (
	// Save makes the record durable. If that fails, the actions after it are
	// dropped and SaveFailed is the next event.
	Save struct{ Record pair.Record }

	// Poll asks the peer how it is; PollAnswered or PollFailed ends it.
	Poll struct{ Wait wait }
	// TestIPs pings the test IPs and ends as soon as Need have answered; TestIPsAnswered.
	TestIPs struct {
		Need int
		Wait wait
	}
	// ProbeAddress asks on the link who owns the shared IPs; AddressProbed.
	ProbeAddress struct{ Wait wait }
	// CheckAddress asks an on-link test IP whom it takes for the owner; AddressChecked.
	CheckAddress struct{}

	// OpenData makes the protected data whole and ready for the services; DataOpened.
	// Forced: an administrator takes it as it is, also if it cannot be made whole.
	OpenData struct{ Forced bool }
	// SetServices has the site's services do a duty, and waits until they are healthy, or
	// have stopped, hard after a deadline; ServicesSet. It ends what SetServices asked for
	// before.
	SetServices struct{ Duty pair.Duty }
	// Claim puts the shared IPs on with a lifetime of Lease, and lets traffic pass
	// until Until and no longer; Claimed.
	Claim struct {
		Lease wait
		Until Instant
	}
	// Renew extends the lifetime of the shared IPs, and of their traffic as Claim
	// does; Renewed. Shut: of the addresses that CloseTraffic has left on, and of no traffic.
	Renew struct {
		Lease wait
		Until Instant
		Shut  bool
	}
	// CloseTraffic ends all traffic of the shared IPs, both ways, but for what Baton
	// itself answers; TrafficClosed. The addresses stay, with a lifetime of Lease,
	// where that can be done with the addresses on; they go off elsewhere.
	CloseTraffic struct {
		Lease wait
		Until Instant
	}
	// Release takes the shared IPs off, and closes the site's door; Released.
	Release struct{}
	// Announce tells the link again that the shared IPs are here.
	Announce struct{}
	// HoldRequests makes new requests wait, and waits itself, within Wait, until those
	// that run have ended; RequestsHeld. ServeRequests and Release end it, without an outcome.
	HoldRequests struct{ Wait wait }
	// ForwardRequests passes the requests that wait on to the new primary, and lets nobody
	// else connect; RequestsForwarded within Wait.
	ForwardRequests struct{ Wait wait }
	// TurnAway answers the requests that wait, within Wait: the site will be
	// elsewhere in a moment.
	TurnAway struct{ Wait wait }
	// ServeRequests ends that.
	ServeRequests struct{}
	// SetAside keeps what this appliance wrote in the epoch as a diverged copy; SetAsideDone.
	// Since is the number of the newest snapshot that the new primary's data has been
	// through; 0: not known.
	SetAside struct {
		Epoch pair.Epoch
		Since uint64
	}

	// Sync pulls the primary's data; SyncEnded. Final: its services are stopped.
	Sync struct{ Final bool }
	// AskHold asks the primary to hold requests and stop its services; HoldAnswered. The
	// question ends when the step does, and within Wait.
	AskHold struct{ Wait wait }
	// AskCommit asks the primary to hand over Next; CommitAnswered. Forward: it may keep the
	// shared IP on, for the requests that it holds.
	AskCommit struct {
		Next    pair.Epoch
		Final   bool
		Forward bool
		Wait    wait
	}
	// AskRelease lets the former primary pass on the requests that it holds, and asks it to
	// take the shared IP off; ReleaseAnswered.
	AskRelease struct{ Wait wait }
	// EndHold tells the primary that the handover is off.
	EndHold struct{}
	// AnswerHold answers the backup's question; Agreed once the services are stopped.
	AnswerHold struct{ Refusal Reason }
	// AnswerCommit answers the backup's question; Agreed once the shared IP is off, or is kept
	// on to pass requests on.
	AnswerCommit struct{ Refusal Reason }
	// AnswerRelease answers the new primary's question; Agreed once the shared IP is off.
	AnswerRelease struct{ Refusal Reason }
	// OfferHandover asks a healthy backup to take over from a primary that is sick, or was
	// told to stop; OfferEnded.
	OfferHandover struct {
		Stops bool
		Wait  wait
	}
	// Depart tells a daemon that was told to stop that nothing keeps it any more.
	Depart struct{}

	// Explain records a change of role or state.
	Explain struct {
		From, To Place
		Reason   Reason
	}
	// Finish ends the administrator's command: the one of this turn, or else the
	// planned switch under way. Refusal is Agreed if it was done.
	Finish struct{ Refusal Reason }
)

// Timeouts of actions travel with them, so that the agent needs no arithmetic.
type wait = time.Duration

// Place is a role and the phase within it.
type Place struct {
	Role  pair.Role
	Phase pair.Phase
}

// String renders "backup suspect".
func (p Place) String() string { return p.Role.String() + " " + p.Phase.String() }

func (Save) action()            {}
func (Poll) action()            {}
func (TestIPs) action()         {}
func (ProbeAddress) action()    {}
func (CheckAddress) action()    {}
func (OpenData) action()        {}
func (SetServices) action()     {}
func (Claim) action()           {}
func (Renew) action()           {}
func (CloseTraffic) action()    {}
func (Release) action()         {}
func (Announce) action()        {}
func (HoldRequests) action()    {}
func (TurnAway) action()        {}
func (ForwardRequests) action() {}
func (AskRelease) action()      {}
func (AnswerRelease) action()   {}
func (ServeRequests) action()   {}
func (SetAside) action()        {}
func (Sync) action()            {}
func (AskHold) action()         {}
func (AskCommit) action()       {}
func (EndHold) action()         {}
func (AnswerHold) action()      {}
func (AnswerCommit) action()    {}
func (OfferHandover) action()   {}
func (Depart) action()          {}
func (Explain) action()         {}
func (Finish) action()          {}
