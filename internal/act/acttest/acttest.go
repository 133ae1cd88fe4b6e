// Package acttest has an agent and a link in memory for tests of acts: both do what they
// are told, and ask nobody.
package acttest

import (
	"context"
	"net/http"
	"sync"
	"time"

	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
)

// Agent is a loop that shows what Show last set, and notes what it was told to do. Its
// methods are safe for use by several goroutines.
type Agent struct {
	Err error // of everything that is asked of it

	mu       sync.Mutex
	decision agent.Decision
	open     []pair.Condition
	done     []failover.Event
	changed  chan struct{}
	held     chan struct{}      // closed when commands go on; nil: they are not held
	syncing  context.CancelFunc // of the data sync that runs; nil: none does
}

// NewAgent returns the loop of an appliance that stands alone and serves.
func NewAgent() *Agent {
	a := &Agent{changed: make(chan struct{})}
	a.decision.Config.Timeout = pair.DefaultSettings().PrimaryTimeout
	a.decision.State.Record.Role, a.decision.State.Phase = pair.Standalone, pair.Steady
	return a
}

// Show sets what the loop sees from now on, and the conditions that are open.
func (a *Agent) Show(change func(*agent.Decision), open ...pair.Condition) {
	a.mu.Lock()
	change(&a.decision)
	a.open = open
	a.mu.Unlock()
	a.Refresh()
}

// Done returns the commands and events so far.
func (a *Agent) Done() []failover.Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]failover.Event(nil), a.done...)
}

// Decision implements act.Agent.
func (a *Agent) Decision() agent.Decision {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.decision
}

// Changed implements act.Agent.
func (a *Agent) Changed() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.changed
}

// Conditions implements act.Agent.
func (a *Agent) Conditions() []pair.Condition {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open
}

// Refresh implements act.Agent.
func (a *Agent) Refresh() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.changed)
	a.changed = make(chan struct{})
}

// Hold has commands, switches and data syncs take until release is called.
func (a *Agent) Hold() (release func()) {
	held := make(chan struct{})
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = held
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.held = nil
		close(held)
	}
}

// wait returns when commands are not held, or ctx is done.
func (a *Agent) wait(ctx context.Context) error {
	a.mu.Lock()
	held := a.held
	a.mu.Unlock()
	if held == nil {
		return a.Err
	}
	select {
	case <-held:
		return a.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Do implements act.Agent.
func (a *Agent) Do(ctx context.Context, command failover.Event) error {
	a.Tell(command)
	return a.wait(ctx)
}

// Tell implements act.Agent.
func (a *Agent) Tell(event failover.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = append(a.done, event)
}

// Configure implements act.Agent; what changes may ask the agent.
func (a *Agent) Configure(change func(*failover.Config)) {
	config := a.Decision().Config
	change(&config)
	a.mu.Lock()
	a.decision.Config = config
	a.mu.Unlock()
	a.Refresh()
}

// HandOver implements act.Agent.
func (a *Agent) HandOver(ctx context.Context, _ bool) error { return a.wait(ctx) }

// SyncNow implements act.Agent.
func (a *Agent) SyncNow(ctx context.Context, _ bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.setSyncing(cancel)
	defer a.setSyncing(nil)
	return a.wait(ctx)
}

func (a *Agent) setSyncing(cancel context.CancelFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.syncing = cancel
}

// CancelSync implements act.Agent.
func (a *Agent) CancelSync() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.syncing == nil {
		return false
	}
	a.syncing()
	a.syncing = nil
	return true
}

// SyncBegan implements act.Agent.
func (*Agent) SyncBegan() time.Time { return time.Time{} }

// NextSync implements act.Agent.
func (*Agent) NextSync() time.Time { return time.Time{} }

// Link is a link to nobody, or to a peer that does not answer. Its methods are not safe
// for use by several goroutines.
type Link struct {
	Peer *peer.Pinned // nil: not paired
	Keys peer.KeyState
	Err  error // of everything that is asked of it
}

// Paired implements act.Link.
func (l *Link) Paired() (peer.Pinned, bool) {
	if l.Peer == nil {
		return peer.Pinned{}, false
	}
	return *l.Peer, true
}

// Contact implements act.Link.
func (*Link) Contact() (peer.Contact, bool) { return peer.Contact{}, false }

// Control implements act.Link.
func (l *Link) Control() *http.Client { return &http.Client{Transport: silent{}} }

// Bulk implements act.Link.
func (l *Link) Bulk() *http.Client { return l.Control() }

// silent is a connection to a peer that does not answer.
type silent struct{}

// RoundTrip implements http.RoundTripper.
func (silent) RoundTrip(*http.Request) (*http.Response, error) { return nil, peer.ErrUnreachable }

// KeyState implements act.Link.
func (l *Link) KeyState() peer.KeyState { return l.Keys }

// SetKey implements act.Link.
func (l *Link) SetKey(context.Context, string) (peer.Key, error) {
	if l.Err == nil {
		l.Keys = peer.KeyState{Set: true, SetAt: time.Now(), Fingerprint: "0123-4567-89ab-cdef"}
	}
	return peer.Key{}, l.Err
}

// EndPreviousKey implements act.Link.
func (l *Link) EndPreviousKey(context.Context) error {
	l.Keys.Previous = ""
	return l.Err
}

// Inspect implements act.Pairing.
func (l *Link) Inspect(context.Context, string, peer.PairRequest) (peer.Inspection, error) {
	return peer.Inspection{}, l.Err
}

// Pair implements act.Pairing.
func (l *Link) Pair(context.Context, string, peer.PairRequest) (peer.Pinned, error) {
	if l.Err == nil && l.Peer == nil {
		l.Peer = &peer.Pinned{ID: "beta", Name: "beta"}
	}
	pinned, _ := l.Paired()
	return pinned, l.Err
}

// Unpair implements act.Pairing.
func (l *Link) Unpair(ctx context.Context) error {
	if l.Err != nil {
		return l.Err
	}
	return l.UnpairForced(ctx)
}

// UnpairForced implements act.Pairing.
func (l *Link) UnpairForced(context.Context) error {
	l.Peer = nil
	return nil
}
