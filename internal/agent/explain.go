package agent

import (
	"log/slog"
	"maps"
	"strconv"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// account writes changes of role and state into the history and the log.
type account struct {
	history History
	log     *slog.Logger
	clock   func() failover.Instant
	wall    func() time.Time
	site    unserved // while this appliance takes the site over
}

// left notes that the peer is asked to stop serving.
func (a *account) left() { a.site.left(a.clock()) }

// explain writes a change, with what was seen and why it failed.
func (a *account) explain(config failover.Config, state failover.State, e failover.Explain, failure string) {
	a.log.Info("changed", slog.String("from", e.From.String()), slog.String("to", e.To.String()), slog.String("reason", e.Reason.String()))
	detail := map[string]string{
		"from": e.From.String(), "to": e.To.String(), "reason": because(e.Reason.String(), failure),
		"epoch": state.Record.Epoch.String(), "snapshot": strconv.FormatUint(state.Record.Snapshot.Number, 10),
	}
	kind := kindOf(e)
	if age := a.dataAge(state); e.Reason == failover.OffersUnsynced && age >= 0 {
		detail["data_age_ms"] = millis(age)
		detail["reason"] += " That snapshot is " + pair.LastingText(age) + " old."
	}
	maps.Copy(detail, a.seenOfPeer(state, e))
	if kind == pair.KindTakeover || kind == pair.KindObserved {
		maps.Copy(detail, a.evidence(config, state))
	}
	if gap, ended := a.site.follow(state, e, a.clock()); ended {
		detail["down_ms"] = millis(gap)
	}
	a.history.Record(pair.Event{Kind: kind, Text: e.From.String() + " → " + e.To.String() + ": " + detail["reason"], Detail: detail})
}

func kindOf(e failover.Explain) string {
	switch {
	case e.Reason == failover.WouldTakeOver:
		return pair.KindObserved
	case takes(e) && (e.Reason == failover.PrimaryGone || e.Reason == failover.ForcedByAdministrator):
		return pair.KindTakeover
	case e.Reason == failover.HandedOver || e.Reason == failover.HandoverCompleted:
		return pair.KindHandover
	case e.Reason == failover.HigherEpoch, e.Reason == failover.AddressTaken, e.Reason == failover.NetworkLost && e.To.Phase == pair.Isolated, e.Reason == failover.Stalled:
		return pair.KindSteppedDown
	}
	return pair.KindRoleChanged
}

// takes reports whether this appliance becomes the primary of a pair.
func takes(e failover.Explain) bool {
	return e.From.Role == pair.Backup && e.To.Role == pair.Primary
}

// seenOfPeer tells since when the peer is silent, where that is why something
// changed.
func (a *account) seenOfPeer(state failover.State, e failover.Explain) map[string]string {
	heard := lastHeard(state)
	silent := takes(e) || e.Reason == failover.WouldTakeOver ||
		e.To.Phase == pair.Suspect || e.To.Phase == pair.Alone || e.To.Phase == pair.Isolated
	if !heard.Set || !silent {
		return nil
	}
	detail := map[string]string{"peer_heard": a.wallOf(heard), "silent_ms": millis(a.clock().Sub(heard.At))}
	if state.Failed.Set {
		detail["poll_failure"] = state.Failure.String()
	}
	return detail
}

// evidence tells on what grounds the site was taken over.
func (a *account) evidence(config failover.Config, state failover.State) map[string]string {
	detail := map[string]string{
		"timeout":  max(config.Timeout, state.Peer.Timeout).String(),
		"test_ips": strconv.Itoa(config.TestIPs),
	}
	for key, since := range map[string]failover.Moment{
		"test_ips_answer_since": state.Evidence.ReachedSince,
		"shared_ip_free_since":  state.Evidence.SilentSince,
	} {
		if since.Set {
			detail[key] = a.wallOf(since)
		}
	}
	if age := a.dataAge(state); age >= 0 {
		detail["data_age_ms"] = millis(age)
	}
	return detail
}

// dataAge is how old the newest snapshot is; below 0: not known.
func (a *account) dataAge(state failover.State) time.Duration {
	if !state.SnapshotAt.Set {
		return -1
	}
	return a.clock().Sub(state.SnapshotAt.At)
}

// lastHeard is when the peer last gave a sign of life.
func lastHeard(state failover.State) failover.Moment {
	if state.PrimaryHeard.Set && (!state.PeerHeard.Set || state.PrimaryHeard.At > state.PeerHeard.At) {
		return state.PrimaryHeard
	}
	return state.PeerHeard
}

// wallOf writes a moment of our clock as people read it.
func (a *account) wallOf(m failover.Moment) string {
	return a.wall().Add(-a.clock().Sub(m.At)).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// unserved measures, by this appliance's clock alone, for how long nobody served
// the site while it takes it over.
type unserved struct{ since failover.Moment }

// left notes that the peer is asked to stop serving.
func (u *unserved) left(now failover.Instant) {
	if !u.since.Set {
		u.since = failover.Moment{At: now, Set: true}
	}
}

// follow takes a change, and reports how long nobody had served if that ends by it.
func (u *unserved) follow(state failover.State, e failover.Explain, now failover.Instant) (gap time.Duration, ended bool) {
	switch {
	case takes(e) && !u.since.Set:
		u.since = lastHeard(state)
	case e.To.Role != pair.Primary:
		u.since = failover.Moment{} // the switch came to nothing, or the peer has the site
	case u.since.Set && state.Serving():
		gap, ended = now.Sub(u.since.At), true
		u.since = failover.Moment{}
	}
	return gap, ended
}
