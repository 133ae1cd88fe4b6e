package console

import (
	"strings"
	"testing"
)

func TestANumberOutOfRangeIsNotCalledNoNumber(t *testing.T) {
	for text, want := range map[string]string{
		"-5": "-5 is out of range: write how many seconds, from 0 to 10,000,000", "NaN": "out of range", "1e9": "out of range", "soon": `"soon" is not a number`,
	} {
		if _, err := settingOf("primary_timeout", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if got, err := settingOf("primary_timeout", "2,5"); err != nil || got != "2.5s" {
		t.Errorf("got %q, %v", got, err)
	}
}
