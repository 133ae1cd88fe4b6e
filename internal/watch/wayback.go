package watch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"baton/internal/agent"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
)

// How the way to the backup is tried.
const (
	backEvery   = 30 * time.Second
	backInDoubt = 3 * time.Second
	backWait    = 5 * time.Second // for an answer
	backLost    = 3               // tries in a row
)

// WayBack finds out on a primary whether it gets through to its backup. The backup's polls come
// the other way and tell nothing of that, and after a switch it is this way that counts.
type WayBack struct {
	Link  interface{ Paired() (peer.Pinned, bool) }
	Agent interface {
		Decision() agent.Decision
		Refresh()
	}

	ask    func(ctx context.Context) error
	lost   int
	passes atomic.Pointer[bool] // nil: not tried, as of now
}

// NewWayBack returns one that asks by a connection that this appliance makes. Its agent is set before it runs.
func NewWayBack(link *peer.Link) *WayBack {
	return &WayBack{Link: link, ask: func(ctx context.Context) error {
		_, err := peer.Call[wire.Ping, wire.PingAnswer](ctx, link.Bulk(), wire.PathPing, wire.Ping{})
		if errors.Is(err, peer.ErrNotKnownThere) { // an earlier version, which has answered
			return nil
		}
		return err
	}}
}

// wanted reports whether this appliance is a primary, and hears its backup.
func (w *WayBack) wanted() bool {
	decision := w.Agent.Decision()
	return decision.State.Record.Role == pair.Primary && decision.Config.Hears(decision.State, agent.BootClock())
}

// Run tries until ctx ends.
func (w *WayBack) Run(ctx context.Context) error {
	timer := time.NewTimer(backInDoubt)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(w.try(ctx))
	}
}

// try asks once, and returns when to try again.
func (w *WayBack) try(ctx context.Context) time.Duration {
	if !w.wanted() {
		w.lost = 0
		w.passes.Store(nil)
		return backInDoubt
	}
	bounded, cancel := context.WithTimeout(ctx, backWait)
	defer cancel()
	err := w.ask(bounded)
	switch {
	case ctx.Err() != nil || !w.wanted(): // it is silent both ways
		return backInDoubt
	case err == nil:
		w.lost = 0
		w.tell(new(true))
		return backEvery
	}
	if w.lost++; w.lost >= backLost {
		w.tell(new(false))
	}
	return backInDoubt
}

func (w *WayBack) tell(passes *bool) {
	if before := w.passes.Swap(passes); before == nil || *before != *passes {
		w.Agent.Refresh()
	}
}

// Passes reports whether this primary gets through to its backup; nil: not known.
func (w *WayBack) Passes() *bool {
	return w.passes.Load()
}

// Conditions tells that it does not.
func (w *WayBack) Conditions() []pair.Condition {
	if passes := w.passes.Load(); passes == nil || *passes {
		return nil
	}
	pinned, _ := w.Link.Paired()
	return []pair.Condition{{
		ID: "way-back-lost", Severity: pair.Warning,
		Text:     fmt.Sprintf("This primary does not get through to %s at %s, while %s gets through to it: after a switch it could not follow.", pinned.Name, strings.Join(pinned.Addresses, ", "), pinned.Name),
		NextStep: "See that the address is right, and that " + pinned.Name + " and every firewall in between accept connections there.",
	}}
}
