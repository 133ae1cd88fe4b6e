package status

import (
	"context"
	"time"

	"baton/internal/agent"
	"baton/internal/pair"
)

// acknowledgeWait bounds how long a command waits until the peer knows of a change.
const acknowledgeWait = 5 * time.Second

// Acknowledged waits until a change is in force here, as inForce tells, and the peer
// is known to go by it. What is the change with its verb: it begins the sentence of the
// error. If the peer does not confirm it in time, or has not answered for a whole timeout,
// the error has the code pair.Unconfirmed: the change stays.
func (o *Overview) Acknowledged(ctx context.Context, what string, inForce func(agent.Decision) bool) error {
	const look = 10 * time.Millisecond
	limit := time.NewTimer(acknowledgeWait)
	defer limit.Stop()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		decision := o.Agent.Decision()
		switch {
		case decision.State.Record.Role == pair.Standalone, inForce(decision) && decision.Config.Acknowledged(decision.State):
			return nil
		case !decision.Config.Hears(decision.State, agent.BootClock()):
			return pair.Refuse(pair.Unconfirmed, "%s here, but the peer does not answer and does not know of it: it learns of it as soon as it answers again; %s", what, whoLeads(decision.State.Record.Role))
		}
		select {
		case <-ticker.C:
		case <-limit.C:
			return pair.Refuse(pair.Unconfirmed, "%s", unconfirmed(what, o.Version, decision.State.Peer.Version))
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// whoLeads says what somebody who has changed something beside a silent peer should know.
func whoLeads(role pair.Role) string {
	if role == pair.Primary {
		return "this appliance is the primary now: baton status says whether it serves the site"
	}
	return "look at the peer before you rely on it"
}

// unconfirmed says that a peer which answers has not confirmed a change. One that runs
// another version may not know of what was changed, as of a new setting.
func unconfirmed(what, ours, theirs string) string {
	text := what + " here, but the peer has not confirmed it within " + pair.DurationText(acknowledgeWait)
	if theirs != "" && theirs != ours {
		return text + ": it runs version " + theirs + " of Baton, this appliance " + ours + ", and may not know what was changed: install the same version on both"
	}
	return text + ": run baton status, and look at the peer before you rely on it"
}
