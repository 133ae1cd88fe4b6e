package agent

import (
	"context"
	"strings"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// because adds a cause to the sentence of a reason.
func because(sentence, cause string) string {
	if cause == "" {
		return sentence
	}
	return ending(strings.TrimRight(sentence, ". ") + ": " + cause)
}

// refusal returns the decision's no: a *pair.Refusal that wraps its reason. The
// cause is what the reason does not tell, as the file that could not be copied.
func refusal(reason failover.Reason, cause string) error {
	if reason == failover.Agreed {
		return nil
	}
	return &pair.Refusal{Code: pair.Refused, Text: because(reason.String(), cause), Cause: reason}
}

// Do gives an administrator's command to the decision and waits for its end.
// The error wraps a failover.Reason, or is that of ctx: the command goes on all the same.
func (a *Agent) Do(ctx context.Context, command failover.Event) error {
	if _, takes := command.(failover.BecomePrimary); takes && a.Decision().State.Record.Role == pair.Backup {
		a.syncs.tellTorn()
	}
	return a.inbox.wait(ctx, message{event: command, reply: make(chan error, 1)})
}

// Asked is the peer's question in a handover: HoldAsked, answered once requests are held and the
// services are stopped; CommitAsked, once the handover is stored, and the shared IP is off here
// or is kept on to pass requests on; ReleaseAsked, once it is off.
func (a *Agent) Asked(ctx context.Context, question failover.Event) error {
	return a.inbox.wait(ctx, message{event: question, ask: make(chan error, 1)})
}

// Tell reports an event that nobody waits for. Like all that has happened already, it
// reaches the decision as long as the agent lives.
func (a *Agent) Tell(event failover.Event) {
	a.inbox.tell(message{event: event})
}

// SiteChecked tells what the check of the site found: nil, or why it does not answer.
func (a *Agent) SiteChecked(check pair.HealthCheck, why error) {
	a.inbox.tell(message{event: failover.SiteHealth{Sick: why != nil, Check: check}, cause: why})
}

// StoreChecked tells what a check found of whether the record can be stored: nil, or why not.
func (a *Agent) StoreChecked(why error) {
	a.inbox.tell(message{event: failover.StoreChecked{OK: why == nil}, cause: why})
}

// Configure changes the configuration from the next event on.
func (a *Agent) Configure(change func(*failover.Config)) {
	a.inbox.tell(message{change: change})
}

// Polled answers the peer's poll with our view. Seq numbers the poll; ack is
// the newest poll whose answer the peer has received.
func (a *Agent) Polled(ctx context.Context, seq, ack uint64, view pair.View) (pair.View, error) {
	answer := make(chan pair.View, 1)
	heard := failover.Heard{View: view, Confirmed: a.answered.at(ack)}
	if err := a.inbox.post(ctx, message{event: heard, view: answer, seq: seq}); err != nil {
		return pair.View{}, err
	}
	select {
	case mine := <-answer:
		return mine, nil
	case <-ctx.Done():
		return pair.View{}, ctx.Err()
	}
}

// Stop tells the decision that this daemon is to stop, and returns once nothing keeps it
// any more, at most after within: a primary hands over first, if it can. End Run then.
func (a *Agent) Stop(ctx context.Context, within time.Duration) {
	a.Tell(failover.Stop{Within: within})
	select {
	case <-a.departs:
	case <-ctx.Done():
	}
}

// Leave ends the loop with the site up, for a process that goes on with it, and returns what
// that one has to be told; nil: it has to begin anew, and the loop goes on.
func (a *Agent) Leave(ctx context.Context) *failover.Continuation {
	left := make(chan *failover.Continuation, 1)
	select {
	case a.leaves <- left:
		return <-left
	case <-ctx.Done():
		return nil
	}
}

// HandOver asks the peer to become primary, and waits until it is.
func (a *Agent) HandOver(ctx context.Context, final bool) error {
	decision := a.Decision()
	if decision.State.Record.Role != pair.Primary {
		return refusal(failover.NotServing, "")
	}
	return a.Peer.Take(ctx, failover.BecomePrimary{FinalSync: final})
}
