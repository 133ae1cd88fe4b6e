package failover

// Guard names one condition of the decision, so that a test can remove it and
// show that it bears load.
type Guard uint8

// The guards.
const (
	noGuard Guard = iota

	// Of a takeover.
	GuardBackupOperations
	GuardAutomatic
	GuardSharedIP
	GuardTestIPs
	GuardMaintenance
	GuardDamped
	GuardSnapshot
	GuardPrimarySetBack
	GuardWhole
	GuardDataAge
	GuardCarrier
	GuardDataAgeKnown
	GuardSave
	GuardSameIPs
	GuardTimeout
	GuardKeyMismatch
	GuardNetwork
	GuardSilence
	GuardDamping
	GuardObserveOnly

	// Of a primary that serves.
	GuardIsolation
	GuardRival
	GuardLostAddress
	GuardStall
	GuardPace
	GuardHigherEpoch
	GuardSetAside
	GuardAhead

	// Of a primary that comes back.
	GuardReturnEpoch
	GuardReturnTaken
	GuardReturnWait
	GuardReturnRival
	GuardReturnTurn
	GuardReturnNetwork
	GuardReturnSilence
	GuardReturnOwner
	GuardReturnOwned
	GuardReturnSetBack

	// Of a handover.
	GuardReclaim
	GuardHandoverEpoch
	GuardHandoverHeld
	GuardHandoverDrain
	GuardHandoverContact
	GuardForwarding
	GuardRelease
	GuardForceSilence
	GuardForceHeard

	// Of a handover that the primary offers by itself.
	GuardOfferSwitch
	GuardOfferHeard
	GuardOfferDamping
	GuardOfferSick
	GuardOfferFit
	GuardSickBoth
	GuardOfferCarrier

	// Of a daemon that was told to stop.
	GuardLeaving
	GuardGoodbye

	// Of a process that goes on where another left off.
	GuardContinue

	guards
)

// Guards lists every guard.
func Guards() []Guard {
	all := make([]Guard, 0, guards-1)
	for g := noGuard + 1; g < guards; g++ {
		all = append(all, g)
	}
	return all
}

// guardSet is a set of guards, a bit each.
type guardSet uint64

func (s guardSet) with(g Guard) guardSet { return s | 1<<g }

// obeys reports whether the guard is in force. Only tests take guards out.
func (f facts) obeys(g Guard) bool { return f.config.without>>g&1 == 0 }

// obeys reports whether the guard is in force.
func (t *turn) obeys(g Guard) bool { return t.facts().obeys(g) }

// guardRow is one condition that must hold, from when it does, and what is said until then.
type guardRow struct {
	guard   Guard
	refusal Reason
	from    Instant
}

// verdict is what stands against something, and until when if time alone ends it. Agreed:
// nothing does.
type verdict struct {
	why   Reason
	until Instant
}

// weigh returns what the first guard says that does not hold.
func (f facts) weigh(guards []guardRow) verdict {
	for _, guard := range guards {
		if f.now < guard.from && f.obeys(guard.guard) {
			return verdict{guard.refusal, guard.from}
		}
	}
	return verdict{Agreed, Never}
}
