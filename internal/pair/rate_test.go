package pair

import (
	"testing"

	"pgregory.net/rapid"
)

// What is saved is what is shown, and what is shown can be saved.
func TestARateKeepsEveryByte(t *testing.T) {
	for text, want := range map[string]string{"4.1MB": "32800kbit", "0.0011GB": "8800kbit", "1.001kb": "8.008kbit", "4.35Mbit": "4350kbit"} {
		if r, err := ParseRate(text); err != nil || r.String() != want {
			t.Errorf("%s reads back as %s (%v), want %s", text, r, err, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		r := Rate(rapid.Int64Range(1000, 1e12).Draw(t, "bytes per second"))
		if got, err := ParseRate(r.String()); err != nil || got != r {
			t.Fatalf("%d bytes are %s, which reads back as %d (%v)", r, r, got, err)
		}
	})
}
