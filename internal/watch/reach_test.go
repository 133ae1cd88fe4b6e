package watch

import (
	"strings"
	"testing"
	"time"

	"baton/internal/act/acttest"
	"baton/internal/agent"
	"baton/internal/pair"
)

func TestTestIPsThatDoNotAnswerABackupAreTold(t *testing.T) {
	t.Parallel()
	loop := acttest.NewAgent()
	loop.Show(func(s *agent.Decision) { s.State.Record.Role = pair.Backup })
	r := &Reach{Agent: loop}
	told := func() bool { return len(r.Conditions()) == 1 && r.Lost() }
	r.take(0, 1)
	if told() {
		t.Error("told after one try")
	}
	r.take(0, 1)
	if !told() {
		t.Error("not told after two")
	}
	for timeout, within := range map[time.Duration]string{pair.MinTimeout: "within 20ms,", time.Hour: "within 1s,"} {
		loop.Show(func(s *agent.Decision) { s.Config.Timeout = timeout })
		if text := r.Conditions()[0].Text; !strings.Contains(text, within) {
			t.Errorf("with a timeout of %s: %s", timeout, text)
		}
	}
	loop.Show(func(s *agent.Decision) { s.State.Record.Role = pair.Primary })
	if told() {
		t.Error("told of a primary")
	}
	loop.Show(func(s *agent.Decision) { s.State.Record.Role = pair.Backup })
	r.take(1, 1)
	if told() {
		t.Error("told though they answer again")
	}
}
