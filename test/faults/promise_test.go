package main

import (
	"testing"
	"time"
)

func TestHowLongAPlanCutsOff(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name   string
		first  strike
		second *strike
		want   time.Duration
		only   bool
	}{
		{"one", strike{Kind: kindCut, After: 50 * ms, Lasts: 100 * ms}, nil, 100 * ms, true},
		{"one into the other", strike{Kind: kindCut, After: 50 * ms, Lasts: 100 * ms}, &strike{Kind: kindHang, After: 120 * ms, Lasts: 200 * ms}, 270 * ms, true},
		{"one within the other", strike{Kind: kindSilence, After: 50 * ms, Lasts: 300 * ms}, &strike{Kind: kindCut, After: 120 * ms, Lasts: 20 * ms}, 300 * ms, true},
		{"one after the other", strike{Kind: kindCut, Lasts: 100 * ms}, &strike{Kind: kindPolls, After: 120 * ms, Lasts: 50 * ms}, 100 * ms, true},
		{"with a kill", strike{Kind: kindCut, Lasts: 100 * ms}, &strike{Kind: kindKill, After: 20 * ms, Lasts: 50 * ms}, 0, false},
	} {
		got, only := plan{First: c.first, Second: c.second}.cutOff()
		if got != c.want || only != c.only {
			t.Errorf("%s: %s, %t; wanted %s, %t", c.name, got, only, c.want, c.only)
		}
	}
}
