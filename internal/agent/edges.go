package agent

import (
	"context"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// Store makes the record durable.
type Store interface {
	SaveRecord(ctx context.Context, record pair.Record) error
}

// Mover moves the site's clients to this appliance, and away from it. The shared IP is
// one way, with the kernel's traffic lease under it; the decision knows of none.
type Mover interface {
	// Claim has clients come here, for a term.
	Claim(ctx context.Context, term Term) error
	// Renew extends what was claimed. A term that is shut keeps the claim, and lets no
	// client but those of Baton's own doors through.
	Renew(ctx context.Context, term Term) error
	// Release has no client come here any more.
	Release(ctx context.Context) error
	// Leave ends, soon and before the next Claim, what clients still have open here: another
	// machine may serve by now, and what could not be delivered any more must not be sent
	// again later.
	Leave()
	// Announce tells the network again that clients are to come here. Alone: do not repeat
	// that by itself while the peer is silent.
	Announce()
	Alone(alone bool)
}

// Term is how long clients may come, unless it is renewed.
type Term struct {
	Lease time.Duration    // from now
	Until failover.Instant // and no longer: an instant of CLOCK_BOOTTIME, as all of the decision's
	Shut  bool             // the claim stays, and their traffic does not pass
}

// Evidence is what can be found out beside the peer.
type Evidence interface {
	// Reached pings the test IPs. It returns as soon as need of them have answered, or
	// wait is over.
	Reached(ctx context.Context, need int, wait time.Duration) int
	// Probe asks whether another machine takes the site's clients now.
	Probe(ctx context.Context, wait time.Duration) failover.ProbeResult
	// Check asks a third machine to whom it sends.
	Check(ctx context.Context) failover.Owner
}

// Peer is the other appliance.
type Peer interface {
	// Poll tells our view and returns the peer's.
	Poll(ctx context.Context, view pair.View) (pair.View, error)
	// Failure says what kind of failure an error of Poll is.
	Failure(err error) pair.PollFailure
	// Refused says why the peer refused the newest poll that it did; nil: it has not.
	Refused() error
	Hold(ctx context.Context, epoch pair.Epoch) error
	EndHold(ctx context.Context) error
	Commit(ctx context.Context, ask failover.CommitAsked) error
	// Release asks the former primary to pass on the requests that it holds, and to take the
	// shared IP off.
	Release(ctx context.Context, epoch pair.Epoch) error
	// Take asks the peer, a backup, to become primary as said.
	Take(ctx context.Context, become failover.BecomePrimary) error
}

// Door is where the site's requests come in.
type Door interface {
	Open()
	// Hold makes new requests wait, and returns once those that run have ended; the error
	// says how many still run when ctx ends. If ctx was cancelled, the door has been moved
	// again since: Hold must not move it after that.
	Hold(ctx context.Context) error
	// OpenToPeer lets in the requests that the peer passes on, and no others.
	OpenToPeer()
	// Forward passes the requests that wait on to the peer, lets nobody else connect, and
	// returns once all have their answer; the error says how many have none when ctx ends.
	Forward(ctx context.Context) error
	// Dismiss answers those that wait, and returns once that is done or ctx ends.
	Dismiss(ctx context.Context)
	Close()
}

// Services are the programs of the site.
type Services interface {
	// Set has them do a duty, and returns once they do: those that are to run are started, and
	// healthy or known to be sick; the others have stopped, hard after a deadline of their own. An error names the
	// service, in a sentence for a person. If ctx ends, another duty is wanted: Set returns soon and leaves the rest
	// to the next call. Only one call runs at a time.
	Set(ctx context.Context, duty pair.Duty) error
	// StopLimit is how long they may take to stop, as they declare.
	StopLimit() time.Duration
}

// Data is the protected data and the site database.
type Data interface {
	// Open makes them whole before the services start. OpenForced is Open at the word of
	// an administrator, who takes them as they are if they cannot be made whole.
	Open(ctx context.Context) error
	OpenForced(ctx context.Context) error
	// Torn looks whether a snapshot is half in place, or a disk that it lies on is gone.
	Torn() bool
	// Offer lets the peer pull under the epoch; Withdraw ends that.
	Offer(epoch pair.Epoch)
	Withdraw()
	// Pull brings them to the primary's newest state; ErrWithheld while it offers none.
	Pull(ctx context.Context, request Pull) (Pulled, error)
	// Await waits until something may be other on the primary than in the newest snapshot here, at most for a while.
	Await(ctx context.Context, epoch pair.Epoch, wait time.Duration) (Awaited, error)
	// SetAside keeps what was written here in the epoch as a diverged copy. Since is the
	// number of the newest snapshot that the new primary's data has been through.
	SetAside(ctx context.Context, epoch pair.Epoch, since uint64) error
}

// Awaited is what came of waiting for a change of the primary's data.
type Awaited struct {
	Follows  bool          // the primary can tell; else only a Pull finds out
	Same     bool          // nothing has changed, as of now
	Snapshot pair.Snapshot // the newest one here, if nothing has
}

// Pull says which data sync is meant.
type Pull struct {
	Epoch        pair.Epoch // of the primary
	Final        bool       // its services are stopped
	AcceptShrink bool       // an administrator knows that much is gone
	Automatic    bool       // the schedule asks for it
	First        bool       // and none has been done under this epoch
}

// Pulled is what a data sync brought.
type Pulled struct {
	Snapshot pair.Snapshot
	Files    int64 // transferred; 0: nothing had changed
	Bytes    int64
}

// History keeps events. Record does not block.
type History interface {
	Record(event pair.Event)
}
