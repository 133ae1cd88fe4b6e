package failover

import (
	"time"

	"baton/internal/pair"
)

// SwitchProgress says in one sentence what a planned switch waits for, on either side;
// empty if none is under way.
func (c Config) SwitchProgress(s State) string {
	switch s.Switch.Step {
	case NoSwitch:
		if s.Record.Role == pair.Primary && s.Peer.Phase == pair.Handover && c.Hears(s, s.Now) {
			return "The backup copies what has changed, while this primary serves."
		}
	case Syncing:
		return "This backup copies what has changed, while the primary serves."
	case AskingHold, FinalSyncing:
		if s.Switch.Told.Set {
			return awaits(s.Peer.Hold)
		}
		return "The primary is asked to hold requests."
	case Committing:
		return "The primary stores the handover and takes the shared IP off."
	case Holding, Stopped:
		return awaits(facts{&s, &c, s.Now}.hold())
	case Forwarding:
		return "Requests wait until the new primary answers them."
	case Giving:
		return "The shared IP is being taken off."
	case Resuming:
		return "The switch was rolled back, and the services are starting again."
	}
	return ""
}

// awaits is the sentence of a hold.
func awaits(h pair.Hold) string {
	within := ", and the time for it is over."
	if h.Within > 0 {
		within = ", for " + max(h.Within.Round(time.Second), time.Second).String() + " at most."
	}
	switch h.Awaits {
	case pair.AwaitsRequests:
		return "New requests wait until running requests have ended" + within
	case pair.AwaitsServices:
		return "Requests wait until the services have stopped" + within
	case pair.AwaitsFinalSync:
		return "Requests wait until the last changes are copied" + within
	case pair.AwaitsNothing:
	}
	return "Requests wait" + within
}
