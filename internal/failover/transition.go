package failover

import "baton/internal/pair"

// Transition is one way from a role and phase to another, and the reasons for
// which it is gone. Where it says steady, maintenance is meant as well.
type Transition struct {
	From, To Place
	Reasons  []Reason
}

// Transitions lists every way there is. Tests compare it with what stories,
// explorer and random runs see; docs/failover.md shows it.
func Transitions() []Transition {
	return append(append(backupTransitions(), primaryTransitions()...), standaloneTransitions()...)
}

func backup(phase pair.Phase) Place     { return Place{Role: pair.Backup, Phase: phase} }
func primary(phase pair.Phase) Place    { return Place{Role: pair.Primary, Phase: phase} }
func standalone(phase pair.Phase) Place { return Place{Role: pair.Standalone, Phase: phase} }

func backupTransitions() []Transition {
	steady, waiting, suspect := backup(pair.Steady), backup(pair.Waiting), backup(pair.Suspect)
	handover, releasing, conflict := backup(pair.Handover), backup(pair.Releasing), backup(pair.Conflict)
	claiming := primary(pair.Claiming)
	return []Transition{
		{waiting, steady, []Reason{PrimaryHeard}},
		{steady, backup(pair.Maintenance), []Reason{MaintenanceChanged}},
		{backup(pair.Maintenance), steady, []Reason{MaintenanceChanged}},
		{steady, suspect, []Reason{PollsFail, PrimaryStopped}},
		{suspect, steady, []Reason{PrimaryHeard, PeerHeard}},
		{suspect, suspect, []Reason{WouldTakeOver}},
		{suspect, claiming, []Reason{PrimaryGone, PrimaryLeft, ForcedByAdministrator, HandoverCompleted}},
		{waiting, claiming, []Reason{ForcedByAdministrator, HandoverCompleted}},
		{waiting, primary(pair.Waiting), []Reason{ForcedByAdministrator}},
		{steady, primary(pair.Waiting), []Reason{ForcedByAdministrator}},
		{suspect, primary(pair.Waiting), []Reason{ForcedByAdministrator}},
		{waiting, handover, []Reason{Asked}},
		{steady, handover, []Reason{Asked, PrimaryOffers, OffersUnsynced, PrimaryStops}},
		{suspect, handover, []Reason{Asked, PrimaryOffers, OffersUnsynced}},
		{handover, steady, []Reason{SyncFailed, PeerRefused, RolledBack, NoAnswerToCommit, TookTooLong, PeerSilent, NotSaved, GrantNotSaved, ToldToStop}},
		{handover, claiming, []Reason{HandedOver, HandoverCompleted}},
		{steady, claiming, []Reason{HandoverCompleted}},
		{steady, releasing, []Reason{GoesOnOlder}},
		{suspect, releasing, []Reason{GoesOnOlder}},
		{waiting, releasing, []Reason{GoesOnOlder}},
		{handover, releasing, []Reason{GoesOnOlder}},
		{releasing, steady, []Reason{SteppedDown}},
		{releasing, waiting, []Reason{SteppedDown}},
		{releasing, releasing, []Reason{NotAllPassedOn}},
		{waiting, conflict, []Reason{EpochsClash}},
		{conflict, releasing, []Reason{PrimaryHeard}},
	}
}

func primaryTransitions() []Transition {
	steady, alone, claiming := primary(pair.Steady), primary(pair.Alone), primary(pair.Claiming)
	waiting, isolated, handover := primary(pair.Waiting), primary(pair.Isolated), primary(pair.Handover)
	conflict, releasing := primary(pair.Conflict), backup(pair.Releasing)
	return []Transition{
		{waiting, claiming, []Reason{PeerAgrees, Restarted, NobodyElse, EffectFailed, ForcedByAdministrator}},
		{isolated, claiming, []Reason{PeerAgrees, NobodyElse}},
		{claiming, steady, []Reason{PeerHeard}},
		{claiming, alone, []Reason{PeerSilent}},
		{claiming, waiting, []Reason{EffectFailed, AddressAnswers, NotSaved}},
		{claiming, isolated, []Reason{NetworkLost, Stalled}},
		{steady, primary(pair.Maintenance), []Reason{MaintenanceChanged}},
		{primary(pair.Maintenance), steady, []Reason{MaintenanceChanged}},
		{steady, alone, []Reason{PeerSilent}},
		{alone, steady, []Reason{PeerHeard}},
		{steady, isolated, []Reason{NetworkLost, Stalled}},
		{alone, isolated, []Reason{NetworkLost, Stalled, AddressTaken}},
		{steady, waiting, []Reason{NotSaved, EffectFailed, AddressAnswers, PeerDecides}},
		{alone, waiting, []Reason{NotSaved, EffectFailed}},
		{steady, handover, []Reason{PeerAsked}},
		{alone, handover, []Reason{PeerAsked}},
		{claiming, handover, []Reason{PeerAsked}},
		{waiting, isolated, []Reason{NetworkLost, Stalled}},
		{waiting, handover, []Reason{PeerAsked}},
		{isolated, handover, []Reason{PeerAsked}},
		{handover, steady, []Reason{TakerGaveUp, TookTooLong, PeerSilent, RelationshipBroken, NotClosed}},
		{handover, handover, []Reason{RequestsCutOff}},
		{handover, waiting, []Reason{TakerGaveUp, TookTooLong, PeerSilent, EffectFailed, NotClosed}},
		{handover, isolated, []Reason{NetworkLost, Stalled}},
		{handover, releasing, []Reason{HandedOver}},
		{steady, releasing, []Reason{HigherEpoch, HandedOver}},
		{alone, releasing, []Reason{HigherEpoch, HandedOver}},
		{claiming, releasing, []Reason{HigherEpoch, HandedOver}},
		{waiting, releasing, []Reason{HigherEpoch, HandedOver}},
		{isolated, releasing, []Reason{HigherEpoch, HandedOver}},
		{conflict, releasing, []Reason{HigherEpoch}},
		{waiting, conflict, []Reason{EpochsClash}},
		{steady, conflict, []Reason{EpochsClash}},
		{conflict, claiming, []Reason{ForcedByAdministrator}},
		{conflict, waiting, []Reason{PeerAgrees, ForcedByAdministrator}},
	}
}

func standaloneTransitions() []Transition {
	waiting, steady := standalone(pair.Waiting), standalone(pair.Steady)
	return []Transition{
		{waiting, steady, []Reason{SiteOpened}},
		{steady, waiting, []Reason{Ticked}},
		{steady, primary(pair.Steady), []Reason{Paired}},
		{waiting, backup(pair.Releasing), []Reason{Paired}},
		{primary(pair.Steady), steady, []Reason{RelationshipBroken}},
		{backup(pair.Steady), waiting, []Reason{RelationshipBroken}},
	}
}
