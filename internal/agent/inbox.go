package agent

import (
	"context"

	"baton/internal/failover"
	"baton/internal/pair"
)

// inbox is what the loop reads.
type inbox struct {
	messages chan message
	ended    chan struct{} // closed once the loop reads no more
}

func newInbox() inbox { return inbox{messages: make(chan message, 64), ended: make(chan struct{})} }

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

// post hands the loop a message, unless ctx, or the agent, ends before there is room for it.
func (i inbox) post(ctx context.Context, m message) error {
	select {
	case i.messages <- m: // also where ctx has ended already
		return nil
	default:
	}
	select {
	case i.messages <- m:
		return nil
	case <-i.ended:
		return stopping()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tell hands the loop what has happened already, as a setting that is saved: it must come into
// force even if whoever did it has gone away. Nobody hears of it once the agent has ended.
func (i inbox) tell(m message) { _ = i.post(context.Background(), m) }

// wait hands the loop a message and waits for its answer.
func (i inbox) wait(ctx context.Context, m message) error {
	answered := m.reply
	if answered == nil {
		answered = m.ask
	}
	if err := i.post(ctx, m); err != nil {
		return err
	}
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
