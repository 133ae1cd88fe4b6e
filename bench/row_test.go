package main

import (
	"strings"
	"testing"
	"time"
)

func times(program string, more int, ms ...int) row {
	r := row{scenario: "a", measure: "b", program: program}
	for i, n := range ms {
		if d := time.Duration(n) * time.Millisecond; i < more {
			r.addOpen(d)
		} else {
			r.addTime(d)
		}
	}
	return r
}

func TestWhatHasNotEndedIsTheWorst(t *testing.T) {
	r := times("x", 1, 20, 500, 10)
	if got := r.text(r.worst()); got != "≥ 20 ms" {
		t.Error("worst:", got)
	}
	if got := r.text(r.median()); got != "500 ms" {
		t.Error("median:", got)
	}
}

func TestBoundHoldsForTheWorst(t *testing.T) {
	r := times("x", 0, 10, 20, 30)
	for bound, want := range map[time.Duration]string{30 * time.Millisecond: "reached", 29 * time.Millisecond: "missed"} {
		if r.bound = atMost(bound); r.result() != want {
			t.Error(bound, "is", r.result())
		}
	}
	open := times("x", 1, 10)
	if open.bound = atMost(time.Second); open.result() != "missed" {
		t.Error("what has not ended reaches no bound")
	}
}

func TestRatioIsOursToTheirs(t *testing.T) {
	ours, theirs, endless := times("Baton", 0, 50), times("x", 0, 100), times("y", 1, 200)
	rows := []row{ours, theirs, endless}
	for i, want := range []string{"", "0.5", "≤ 0.25"} {
		if got := ratio(rows, rows[i]); got != want {
			t.Errorf("row %d: %q, want %q", i, got, want)
		}
	}
	if text := table(rows); strings.Count(text, "\n") != 5 {
		t.Error(text)
	}
}

func TestOverlapCountsOnlyWhatBothHadAfterTheInstant(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	one := []span{{at(0), at(10)}, {at(20), at(30)}}
	other := []span{{at(5), at(25)}}
	for after, want := range map[int]int{0: 10, 7: 8, 12: 5, 40: 0} {
		if got := overlap(one, other, at(after)); int(got.Seconds()) != want {
			t.Errorf("after %d s: %s, want %d s", after, got, want)
		}
	}
}
