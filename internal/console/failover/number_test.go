package failover

import (
	"strings"
	"testing"
)

func TestANumberOutOfRangeIsNotCalledNoNumber(t *testing.T) {
	for text, want := range map[string]string{
		"-5": "-5 is out of range: write how many seconds, from 0 to 10,000,000", "NaN": "out of range", "1e9": "out of range", "soon": `"soon" is not a number`,
	} {
		if _, err := settingText("primary_timeout", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for typed, want := range map[[2]string]string{
		{"primary_timeout", "8s"}: "8s", {"primary_timeout", "8 seconds"}: "8s", {"sync_every", "5 min"}: "5m0s",
		{"max_data_age", "90m"}: "1h30m0s", {"primary_timeout", "1.001"}: "1.001s", {"sync_every", "2.01"}: "2m0.6s", {"bandwidth_limit", "100 Mbit/s"}: "100Mbit",
	} {
		if got, err := settingText(typed[0], typed[1]); err != nil || got != want {
			t.Errorf("%s: %q, %v", typed, got, err)
		}
	}
	for _, wrong := range []string{"s", "8h", "5m"} {
		if _, err := settingText("primary_timeout", wrong); err == nil || !strings.Contains(err.Error(), "is not a number") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	if got, err := settingText("primary_timeout", "2,5"); err != nil || got != "2.5s" {
		t.Errorf("got %q, %v", got, err)
	}
}
