package failover

import (
	"time"

	"baton/internal/pair"
)

// Event is something that happened. The set is closed.
type Event interface{ event() }

// The events, by where they come from.
type (
	// Tick says only that time has passed.
	Tick struct{}

	// Heard is a message from the peer: a poll, or the answer to one. Confirmed
	// is when we sent the newest message that the peer is known to have
	// received; our entitlement counts from there.
	Heard struct {
		View      pair.View
		Confirmed Moment
	}
	// PollAnswered ends a poll that Poll began; the view arrives with it.
	PollAnswered struct{ Heard }
	// PollFailed ends a poll that got no answer.
	PollFailed struct{ Reason pair.PollFailure }
	// TestIPsAnswered is the result of TestIPs.
	TestIPsAnswered struct{ Reached int }
	// AddressProbed is the result of ProbeAddress.
	AddressProbed struct{ Result ProbeResult }
	// AddressChecked is the result of CheckAddress.
	AddressChecked struct{ Owner Owner }
	// ForeignOwner says that another machine announced the shared IP.
	ForeignOwner struct{}
	// RivalProbed says that another machine probes the shared IP: it may be about to put it on.
	RivalProbed struct{}
	// SiteHealth says whether the primary's own site passes its health checks.
	SiteHealth struct {
		Sick  bool
		Check pair.HealthCheck // by which that was found
	}
	// DryStartEnded says whether anything would keep the site's services from running here.
	DryStartEnded struct{ Fit bool }
	// CarrierSeen says whether the interface of every enabled shared IP has a carrier.
	CarrierSeen struct{ Up bool }
	// DataChanged tells the newest complete snapshot and when it was taken; unset: that is
	// not known, as of a stamp that lies in the future.
	DataChanged struct {
		Snapshot pair.Snapshot
		Taken    Moment
	}

	// DataOffered tells the newest snapshot that this appliance has offered as primary,
	// before anybody else hears of it.
	DataOffered struct{ Snapshot pair.Snapshot }
	// StoreChecked says whether the record could be made durable, as far as a regular check tells.
	StoreChecked struct{ OK bool }
	// DataTorn says whether a snapshot is half in place here, or lies on a disk that is not
	// mounted, so that the data is not whole.
	DataTorn struct{ Torn bool }

	// SaveFailed says that the record could not be made durable and that the actions
	// after it were not carried out. Event is the one whose turn was undone: what it says of the
	// world is still true.
	SaveFailed struct{ Event Event }
	// DataOpened is the outcome of OpenData.
	DataOpened struct{ OK bool }
	// ServicesSet is the outcome of the newest SetServices; one that another has taken
	// the place of has none.
	ServicesSet struct {
		Duty pair.Duty
		OK   bool
	}
	// Claimed is the outcome of Claim.
	Claimed struct{ OK bool }
	// Renewed is the outcome of Renew.
	Renewed struct{ OK bool }
	// RequestsHeld ends HoldRequests: no request runs any more. Not OK: their time is over,
	// and some still run.
	RequestsHeld struct{ OK bool }
	// RequestsForwarded ends ForwardRequests: all who waited have their answer. Not OK: their
	// time is over, and some have none.
	RequestsForwarded struct{ OK bool }
	// TrafficClosed is the outcome of CloseTraffic.
	TrafficClosed struct{ OK bool }
	// Released is the outcome of Release.
	Released struct{ OK bool }
	// SetAsideDone is the outcome of SetAside.
	SetAsideDone struct{ OK bool }

	// SyncEnded says that the data sync that a handover asked for has ended.
	SyncEnded struct{ OK bool }
	// HoldAnswered says that the primary holds requests and has stopped its services, or refused.
	HoldAnswered struct{ OK bool }
	// ReleaseAsked says that the new primary can answer the requests that we hold, and asks us
	// to take the shared IP off.
	ReleaseAsked struct{ Epoch pair.Epoch }
	// ReleaseAnswered says that the former primary has taken the shared IP off, or it is not known.
	ReleaseAnswered struct{ OK bool }
	// CommitAnswered says that the primary has stored the handover, and has released the shared
	// IP or passes requests on, or it is not known.
	CommitAnswered struct{ OK bool }
	// HoldAsked says that the backup asks us, the primary, to hold requests for the final data sync.
	HoldAsked struct{ Epoch pair.Epoch }
	// CommitAsked says that the backup asks us to hand it the next epoch. Final: it has all our data.
	CommitAsked struct {
		Next     pair.Epoch
		Snapshot pair.Snapshot
		Final    bool
		Forward  bool // we may keep the shared IP on, for the requests that wait
	}
	// HoldEnded says that the backup gives the handover up.
	HoldEnded struct{}

	// AddressTicked says that an administrator has enabled one more shared IP here.
	// Free: the link was asked just now, and nobody has the address.
	AddressTicked struct{ Free bool }
	// BecomePrimary is the administrator's word on the backup, or in a conflict.
	BecomePrimary struct {
		FinalSync bool          // pull a final data sync first
		Force     bool          // also when the peer cannot be asked, or in a conflict
		Automatic bool          // the primary hands over by itself: no administrator asked
		Stops     bool          // automatic, since the primary was told to stop
		Within    time.Duration // if it stops: how long it may take to hand over
	}
	// Stop says that this daemon was told to stop. Within: how long it may take to hand over.
	Stop struct{ Within time.Duration }
	// Continue is the first event of a process that goes on where another of the same boot
	// left off, with the shared IP still on.
	Continue struct{ Left Continuation }
	// OfferEnded ends OfferHandover, whatever the backup did.
	OfferEnded struct{}
	// BecomeStandalone is Break Relationship.
	BecomeStandalone struct{}
	// BecomePaired is Establish Relationship, as the one that keeps its data or the one that receives.
	BecomePaired struct{ Role pair.Role }
	// SetMaintenance turns automatic actions off (or on again).
	SetMaintenance struct {
		On    bool
		Until int64 // Unix seconds, 0: until an administrator ends it
	}
	// Resume ends the pause after too many automatic takeovers.
	Resume struct{}
)

// ProbeResult is what the link said about the shared IP.
type ProbeResult uint8

// The results.
const (
	ProbeImpossible ProbeResult = iota // no carrier, interface down: says nothing
	ProbeSilent                        // nobody answered
	ProbeOwned                         // another machine answered
)

// Owner is what an on-link neighbour believes about the shared IP.
type Owner uint8

// The beliefs.
const (
	OwnerUnknown   Owner = iota // the neighbour does not answer us either
	OwnerSelf                   // it sends to us
	OwnerElsewhere              // it sends to another machine
	OwnerNobody                 // it asks the link for the owner, and nobody answers
)

func (Tick) event()              {}
func (Heard) event()             {}
func (PollAnswered) event()      {}
func (PollFailed) event()        {}
func (TestIPsAnswered) event()   {}
func (AddressProbed) event()     {}
func (AddressChecked) event()    {}
func (ForeignOwner) event()      {}
func (RivalProbed) event()       {}
func (SiteHealth) event()        {}
func (DryStartEnded) event()     {}
func (CarrierSeen) event()       {}
func (DataChanged) event()       {}
func (DataOffered) event()       {}
func (DataTorn) event()          {}
func (StoreChecked) event()      {}
func (SaveFailed) event()        {}
func (DataOpened) event()        {}
func (ServicesSet) event()       {}
func (Claimed) event()           {}
func (Renewed) event()           {}
func (RequestsHeld) event()      {}
func (TrafficClosed) event()     {}
func (RequestsForwarded) event() {}
func (ReleaseAsked) event()      {}
func (ReleaseAnswered) event()   {}
func (Released) event()          {}
func (AddressTicked) event()     {}
func (SetAsideDone) event()      {}
func (SyncEnded) event()         {}
func (HoldAnswered) event()      {}
func (CommitAnswered) event()    {}
func (HoldAsked) event()         {}
func (CommitAsked) event()       {}
func (HoldEnded) event()         {}
func (BecomePrimary) event()     {}
func (Stop) event()              {}
func (OfferEnded) event()        {}
func (Continue) event()          {}
func (BecomeStandalone) event()  {}
func (BecomePaired) event()      {}
func (SetMaintenance) event()    {}
func (Resume) event()            {}
