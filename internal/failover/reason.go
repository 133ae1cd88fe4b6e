package failover

// Reason says why something changed, or why it did not. Agreed is "nothing
// stands against it".
type Reason uint8

// The reasons.
const (
	Agreed Reason = iota

	// Why a role or phase changed.
	PrimaryHeard
	PollsFail
	PrimaryGone
	WouldTakeOver
	PeerSilent
	PeerHeard
	PeerAgrees
	NobodyElse
	NetworkLost
	AddressTaken
	Stalled
	HigherEpoch
	EpochsClash
	SteppedDown
	HandedOver
	HandoverCompleted
	ForcedByAdministrator
	Asked
	PeerAsked
	TakerGaveUp
	TookTooLong
	Paired
	RelationshipBroken
	SiteOpened
	MaintenanceChanged
	NotSaved
	EffectFailed

	// Why a takeover, a return or a command does not happen.
	OperationsOff
	AutomaticOff
	NoSharedIP
	NoTestIPs
	NeverHeard
	InMaintenance
	Paused
	NoSnapshot
	NotSetAside
	DataTooOld
	TimeoutRuns
	PeerRefusesUs
	AddressAnswers
	TooManyTakeovers
	EffectsPending
	NotPaired
	AlreadyPaired
	AlreadyPrimary
	SwitchRuns
	SyncFailed
	PeerRefused
	NoAnswerToCommit
	NotServing
	NotHeld

	reasons
)

// Reasons lists every reason.
func Reasons() []Reason {
	all := make([]Reason, 0, reasons)
	for r := Agreed; r < reasons; r++ {
		all = append(all, r)
	}
	return all
}

// String is the sentence that a person reads in the history.
func (r Reason) String() string {
	switch r {
	case Agreed:
		return "Nothing stands against it."
	case PrimaryHeard:
		return "The primary answers."
	case PollsFail:
		return "The primary has stopped answering polls."
	case PrimaryGone:
		return "The primary did not answer for the whole timeout, our own network works, and nobody answers for the shared IP."
	case WouldTakeOver:
		return "This appliance would have taken over now; it only observes."
	case PeerSilent:
		return "The peer does not answer."
	case PeerHeard:
		return "The peer answers."
	case PeerAgrees:
		return "The peer answers and knows no higher epoch."
	case NobodyElse:
		return "The peer stayed silent for one timeout, our own network works, and nobody answers for the shared IP."
	case NetworkLost:
		return "Neither the peer nor enough test IPs answer: our own network is taken to be at fault."
	case AddressTaken:
		return "Another machine has taken the shared IP, as a test IP shows."
	case Stalled:
		return "This machine stood still for longer than its lease."
	case HigherEpoch:
		return "The peer became primary in a higher epoch."
	case EpochsClash:
		return "Both appliances claim data that the other does not know; an administrator must choose."
	case SteppedDown:
		return "Nothing of the former primaryship is running any more."
	default:
		return r.more()
	}
}

func (r Reason) more() string {
	switch r {
	case HandedOver:
		return "The primary handed over."
	case HandoverCompleted:
		return "The primary had handed over before contact was lost."
	case ForcedByAdministrator:
		return "An administrator made this appliance primary without the peer."
	case Asked:
		return "An administrator asked for a planned switch."
	case PeerAsked:
		return "The backup asks for the final data sync of a planned switch."
	case TakerGaveUp:
		return "The backup gave the planned switch up."
	case TookTooLong:
		return "The planned switch took too long and was rolled back."
	case Paired:
		return "A relationship was established."
	case RelationshipBroken:
		return "The relationship was broken."
	case SiteOpened:
		return "The site is open."
	case MaintenanceChanged:
		return "Maintenance was turned on or off."
	case NotSaved:
		return "The state could not be stored; free some disk space and look at the log."
	case EffectFailed:
		return "Data, services or the shared IP could not be brought up; it is tried again."
	case OperationsOff:
		return "Enable Backup Operations is off."
	case AutomaticOff:
		return "Enable Automatic Failover is off."
	case NoSharedIP:
		return "No shared IP is enabled on both appliances."
	case NoTestIPs:
		return "No Network Connectivity Test IPs are set."
	case NeverHeard:
		return "The primary has not been heard since this appliance started."
	default:
		return r.refusal()
	}
}

func (r Reason) refusal() string {
	switch r {
	case InMaintenance:
		return "The pair is in maintenance."
	case Paused:
		return "Automatic failover is paused after too many takeovers."
	case NoSnapshot:
		return "No complete, verified snapshot is here yet."
	case NotSetAside:
		return "What diverged has not been set aside yet."
	case DataTooOld:
		return "The newest snapshot is older than the highest data age allowed."
	case TimeoutRuns:
		return "The Primary Site Instance Timeout has not passed yet."
	case PeerRefusesUs:
		return "The peer answers, but with another key, certificate or protocol: that does not mean that it is down."
	case AddressAnswers:
		return "The shared IP still answers: its machine is alive."
	case TooManyTakeovers:
		return "There were three automatic takeovers within the hour."
	case EffectsPending:
		return "The former role is still being taken down."
	case NotPaired:
		return "This appliance has no relationship."
	case AlreadyPaired:
		return "This appliance has a relationship already."
	case AlreadyPrimary:
		return "This appliance is the primary already."
	case SwitchRuns:
		return "A planned switch is under way already."
	case SyncFailed:
		return "The data sync failed."
	case PeerRefused:
		return "The primary refused to hold requests."
	case NoAnswerToCommit:
		return "The primary did not confirm the handover."
	case NotServing:
		return "This appliance does not serve the site in that epoch."
	case NotHeld:
		return "Requests are no longer held for a final data sync."
	default:
		return "Unknown reason."
	}
}
