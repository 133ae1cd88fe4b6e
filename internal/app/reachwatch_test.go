package app

import (
	"strings"
	"testing"

	"baton/internal/pair"
)

func TestTestIPsThatDoNotAnswerABackupAreTold(t *testing.T) {
	t.Parallel()
	a := pairedAs(t, other, pair.Record{Role: pair.Backup, Epoch: pair.Epoch{Counter: 1, Holder: other}})
	told := func() bool {
		for _, c := range a.conditions() {
			if c.ID == "test-ips-unreachable" {
				return true
			}
		}
		return false
	}
	a.reached.take(0, 1)
	if told() {
		t.Error("told after one try")
	}
	a.reached.take(0, 1)
	if !told() {
		t.Error("not told after two")
	}
	if got := unreached(); got.Ready || !strings.Contains(got.Text, "would not take over") || got.NextStep == "" {
		t.Errorf("%+v", got)
	}
	a.reached.take(1, 1)
	if told() {
		t.Error("told though they answer again")
	}
}
