package agent

import (
	"context"

	"baton/internal/failover"
	"baton/internal/pair"
)

// inbox is what the loop reads.
type inbox chan message

// message is one turn of the loop: an event, or a change of the configuration.
type message struct {
	event  failover.Event
	cause  error       // why what the event ends has failed
	newest func() bool // whether nobody has asked for something else since; nil: that makes no difference
	change func(*failover.Config)
	reply  chan error       // for commands: when the decision has finished it
	ask    chan error       // for the peer's questions of a handover
	view   chan<- pair.View // for the peer's polls
	seq    uint64
}

// post hands the loop a message; it reports false if the agent ends first.
func (i inbox) post(ctx context.Context, m message) bool {
	select {
	case i <- m:
		return true
	case <-ctx.Done():
		return false
	}
}

// wait hands the loop a message and waits for its answer.
func (i inbox) wait(ctx context.Context, m message) error {
	answered := m.reply
	if answered == nil {
		answered = m.ask
	}
	if !i.post(ctx, m) {
		return ctx.Err()
	}
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
