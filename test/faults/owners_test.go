package main

import (
	"testing"
	"time"

	"baton/internal/lab"
)

func instant(ms int) time.Time {
	return time.Unix(1_900_000_000, 0).Add(time.Duration(ms) * time.Millisecond)
}

// answered lists claims of a host, one a question, from one instant to another.
func answered(host string, from, to int) (claims []lab.Claim) {
	for ms := from; ms <= to; ms += int(askEvery / time.Millisecond) {
		claims = append(claims, lab.Claim{At: instant(ms), Host: host, Kind: lab.ClaimAnswer})
	}
	return claims
}

func TestTwoOwnersAreCountedWhileBothAnswer(t *testing.T) {
	for _, c := range []struct {
		name   string
		claims []lab.Claim
		want   time.Duration
	}{
		{"one after the other", append(answered("alpha", 0, 300), answered("beta", 310, 600)...), 0},
		{"for a while", append(answered("alpha", 0, 300), answered("beta", 150, 600)...), 150 * time.Millisecond},
		{"there and back", append(append(answered("alpha", 0, 300), answered("beta", 400, 600)...), answered("alpha", 700, 900)...), 0},
		{"one that only announces owns nothing", append(answered("alpha", 0, 300), lab.Claim{At: instant(100), Host: "beta", Kind: lab.ClaimAnnounce}), 0},
	} {
		if got := bothOnLink(c.claims); got != c.want {
			t.Errorf("%s: %s, wanted %s", c.name, got, c.want)
		}
	}
}

func TestLongestGapReachesToBothEnds(t *testing.T) {
	visits := []visit{{done: instant(100)}, {done: instant(150)}, {done: instant(400)}}
	for _, c := range []struct{ from, to, want int }{{0, 450, 250}, {-500, 450, 600}, {90, 900, 500}} {
		if got := longestGap(visits, instant(c.from), instant(c.to)); got != time.Duration(c.want)*time.Millisecond {
			t.Errorf("from %d to %d: %s, wanted %d ms", c.from, c.to, got, c.want)
		}
	}
}
