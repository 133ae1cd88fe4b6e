package cli

import (
	"strings"
	"testing"
	"time"
)

// FuzzInstant: what is taken for a time is one that JSON can carry.
func FuzzInstant(f *testing.F) {
	for _, text := range []string{"1h", "7d", "2030-01-31", "2030-01-31T12:00:00+02:00", "", "3650d", "-1h"} {
		f.Add(text)
	}
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		instant, err := parseInstant(text, now)
		if err != nil {
			return
		}
		if _, err := instant.MarshalJSON(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func TestNamesCannotSteerATerminal(t *testing.T) {
	var out strings.Builder
	pg := (&program{stdio: Stdio{Out: &out}}).page()
	pg.row("evil\x1b[2J\nname", "file")
	if err := pg.flush(); err != nil || out.String() != "evil?[2J?name  file\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
