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
	PrimaryOffers
	OffersUnsynced
	PrimaryStops
	PrimaryStopped
	PrimaryLeft
	Restarted
	PeerAsked
	TakerGaveUp
	TookTooLong
	Paired
	RelationshipBroken
	SiteOpened
	Ticked
	GoesOnOlder
	MaintenanceChanged
	NotSaved
	GrantNotSaved
	EffectFailed
	NotClosed
	RequestsCutOff
	NotAllPassedOn
	RolledBack

	// Why a takeover, a return or a command does not happen.
	OperationsOff
	AutomaticOff
	NoSharedIP
	OtherSharedIPs
	NoTestIPs
	NeverHeard
	InMaintenance
	Paused
	NoSnapshot
	DataIsTorn
	PrimarySetBack
	NoCarrier
	WasSick
	SickBoth
	PeerUnfit
	NotSetAside
	DataTooOld
	DataAgeUnknown
	TimeoutRuns
	PeerDecides
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
	NoPrimary
	PeerNotSaved
	ToldToStop

	reasons
)

// Reasons lists every reason.
func Reasons() []Reason {
	all := make([]Reason, 0, reasons)
	for r := range reasons {
		all = append(all, r)
	}
	return all
}

// String is the sentence that a person reads in the history.
func (r Reason) String() string {
	if r >= reasons {
		return "Unknown reason."
	}
	return sentences()[r]
}

// Error makes a reason the cause of a refusal.
func (r Reason) Error() string { return r.String() }

func sentences() [reasons]string {
	return [reasons]string{
		Agreed:                "Nothing stands against it.",
		PrimaryHeard:          "The primary answers.",
		PollsFail:             "The primary has stopped answering polls.",
		PrimaryGone:           "The primary did not answer for the whole timeout, our own network works, and nobody answers for the shared IP.",
		WouldTakeOver:         "This appliance would have taken over now; it only observes.",
		PeerSilent:            "The peer does not answer.",
		PeerHeard:             "The peer answers.",
		PeerAgrees:            "The peer answers and knows no higher epoch.",
		NobodyElse:            "The peer stayed silent for longer than a takeover takes, our own network works, and nobody answers for the shared IP.",
		NetworkLost:           "Neither the peer nor enough test IPs answer: our own network is taken to be at fault.",
		AddressTaken:          "Another machine has taken the shared IP, as a test IP shows.",
		Stalled:               "This machine stood still for longer than its lease.",
		HigherEpoch:           "The peer became primary in a higher epoch.",
		EpochsClash:           "Both appliances claim data that the other does not know; an administrator must choose.",
		SteppedDown:           "Nothing of the former primaryship is running any more.",
		HandedOver:            "The primary handed over.",
		HandoverCompleted:     "The primary had handed over before contact was lost.",
		ForcedByAdministrator: "An administrator made this appliance primary without the peer.",
		Asked:                 "An administrator asked for a planned switch.",
		PrimaryOffers:         "The primary offers the site by itself, since it does not serve it as it should.",
		OffersUnsynced:        "The primary offers the site by itself, and the final data sync of its last offer failed: the newest snapshot here is taken as it is, and what is younger is set aside on the other appliance.",
		PrimaryStops:          "The primary was told to stop, and hands over.",
		PrimaryStopped:        "The primary was told to stop, and has taken the shared IP off.",
		PrimaryLeft:           "The primary was told to stop, and nobody answers for the shared IP.",
		Restarted:             "The daemon was restarted, and serves on.",
		PeerAsked:             "The backup asks for the final data sync of a planned switch.",
		TakerGaveUp:           "The backup gave the planned switch up.",
		TookTooLong:           "The planned switch took too long and was rolled back.",
		Paired:                "A relationship was established.",
		RelationshipBroken:    "The relationship was broken.",
		SiteOpened:            "The site is open.",
		Ticked:                "A shared IP was enabled, and whether it is free is being found out.",
		GoesOnOlder:           "The primary goes on from an older state, as an administrator chose; what is newer here is set aside first.",
		MaintenanceChanged:    "Maintenance was turned on or off.",
		NotSaved:              "The state of this appliance could not be written to disk: free some space in data_dir, and see that it is not mounted read-only.",
		GrantNotSaved:         "The primary has handed over, and this appliance could not store that it takes over: nobody serves the site. It tries again until data_dir can be written.",
		EffectFailed:          "Data, services or the shared IP could not be brought up; it is tried again.",
		NotClosed:             "The services or the traffic of the shared IP could not be closed for a planned switch.",
		NotAllPassedOn:        "Some requests that were passed on to the new primary had no answer when their time was over; the shared IP moves without them.",
		RequestsCutOff:        "Some requests were still running when their time was over; the planned switch goes on without them.",
		RolledBack:            "The primary has rolled the planned switch back.",
		OperationsOff:         "Enable Backup Operations is off.",
		AutomaticOff:          "Enable Automatic Failover is off.",
		NoSharedIP:            "No shared IP is enabled on both appliances.",
		OtherSharedIPs:        "The shared IPs that are enabled on the two appliances are not the same: compare what baton shared-ip list says on both.",
		NoTestIPs:             "No Network Connectivity Test IPs are set.",
		NeverHeard:            "The primary has not been heard since this appliance started.",
		InMaintenance:         "The pair is in maintenance.",
		Paused:                "Automatic failover is paused after too many takeovers.",
		NoSnapshot:            "No complete, verified snapshot is here yet.",
		DataIsTorn:            "The data here is not whole: a snapshot is half in place, or a disk is not mounted.",
		NoCarrier:             "The interface of a shared IP has no carrier here.",
		WasSick:               "The site was sick on this appliance, and has not been well for ten minutes since.",
		SickBoth:              "The site was sick on the other appliance as well: the fault moves with the data, or lies outside both.",
		PeerUnfit:             "The backup could not run the site: baton doctor says there what stands against it.",
		PrimarySetBack:        "The primary's disk was set back to an older state than the backup holds; an administrator must choose.",
		NotSetAside:           "What diverged has not been set aside yet.",
		DataTooOld:            "The newest snapshot is older than the highest data age allowed.",
		DataAgeUnknown:        "The age of the newest snapshot is not known, as its time lies in the future, and a highest data age is set.",
		TimeoutRuns:           "The Primary Site Instance Timeout has not passed yet.",
		PeerDecides:           "Another machine is asking for the shared IP and may be about to take over.",
		PeerRefusesUs:         "The peer answers, but with another key, certificate or protocol: that does not mean that it is down.",
		AddressAnswers:        "The shared IP still answers: its machine is alive.",
		TooManyTakeovers:      "There were three automatic takeovers within the hour.",
		EffectsPending:        "The former role is still being taken down.",
		NotPaired:             "This appliance has no relationship.",
		AlreadyPaired:         "This appliance has a relationship already.",
		AlreadyPrimary:        "This appliance is the primary already.",
		SwitchRuns:            "A planned switch is under way already.",
		SyncFailed:            "The data sync failed.",
		PeerRefused:           "The primary refused to hold requests.",
		NoAnswerToCommit:      "The primary did not confirm the handover.",
		NotServing:            "This appliance does not serve the site in that epoch.",
		ToldToStop:            "This appliance was told to stop.",
		NotHeld:               "Requests are no longer held for a final data sync.",
		PeerNotSaved:          "The peer cannot write its state to disk, so that no switch can be agreed: free some space in data_dir there, and see that it is not mounted read-only.",
		NoPrimary:             "Both appliances are backups, so nobody serves the site.",
	}
}
