package agent

import (
	"errors"

	"baton/internal/failover"
	"baton/internal/pair"
)

// callers wait for the end of a switch or of its steps.
type callers struct {
	command   chan error // an administrator waits for the end of a switch
	holding   chan error // the peer waits for an answer to Hold
	giving    chan error // the peer waits for an answer to Commit
	releasing chan error // the peer waits for an answer to Release
}

var errSuperseded = errors.New("asked again meanwhile")

// stopping is what those who wait are told when the daemon ends.
func stopping() error {
	return pair.Refuse(pair.Unreachable, "the daemon is stopping, or another one takes its place: try again when it runs")
}

// takeCommand notes who waits for the end of a command. While a switch runs for somebody,
// others are refused.
func (c *callers) takeCommand(m message, now failover.SwitchStep) bool {
	if c.command != nil && now != failover.NoSwitch {
		m.reply <- refusal(failover.SwitchRuns, "")
		return false
	}
	replace(&c.command, m.reply)
	return true
}

func (c *callers) takeQuestion(m message) {
	switch m.event.(type) {
	case failover.HoldAsked:
		replace(&c.holding, m.ask)
	case failover.CommitAsked:
		replace(&c.giving, m.ask)
	case failover.ReleaseAsked:
		replace(&c.releasing, m.ask)
	}
}

// end tells everybody who waits that the daemon stops.
func (c *callers) end() {
	answer(&c.command, stopping())
	answer(&c.holding, stopping())
	answer(&c.giving, stopping())
	answer(&c.releasing, stopping())
}

// replace notes the newest caller; an earlier caller has given up.
func replace(waiting *chan error, ask chan error) {
	answer(waiting, errSuperseded)
	*waiting = ask
}

// answer tells the caller who waits, if there is one. The channels have room for one.
func answer(waiting *chan error, err error) {
	if *waiting != nil {
		*waiting <- err
		*waiting = nil
	}
}
