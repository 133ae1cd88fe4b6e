package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// unit is what the values of a row count.
type unit int

// The units.
const (
	seconds unit = iota
	megabytes
	percent
	count
	factor
)

// value is one measurement.
type value struct {
	number float64
	// more means that it was still going on when the observer stopped looking.
	more bool
}

// row is what one program did in one scenario.
type row struct {
	scenario string
	measure  string // what is counted
	program  string
	unit     unit
	values   []value
	bound    *float64 // the worst value may not exceed it; nil: none is set
	middle   bool     // the median may not, instead
	share    float64  // the median may be so much of that of another row; 0: no such bound
	against  *row
}

func (r *row) addTime(d time.Duration) { r.values = append(r.values, value{number: d.Seconds()}) }

func (r *row) add(number float64) { r.values = append(r.values, value{number: number}) }

// addOpen adds a time that had not ended when the observer stopped looking.
func (r *row) addOpen(d time.Duration) {
	r.values = append(r.values, value{number: d.Seconds(), more: true})
}

func atMost(d time.Duration) *float64 {
	bound := d.Seconds()
	return &bound
}

// sorted returns the values, smallest first; one that is still open is larger
// than any that has ended.
func (r *row) sorted() []value {
	sorted := slices.Clone(r.values)
	slices.SortFunc(sorted, func(a, b value) int {
		switch {
		case a.more == b.more:
			return compare(a.number, b.number)
		case a.more:
			return 1
		}
		return -1
	})
	return sorted
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// median is the middle value, the larger of two.
func (r *row) median() value { return r.sorted()[len(r.values)/2] }

func (r *row) min() value { return r.sorted()[0] }

func (r *row) worst() value { return r.sorted()[len(r.values)-1] }

// result compares the worst value, or the median, with the bound.
func (r *row) result() string {
	if r.against != nil {
		return verdict(r.median().number, r.share*r.against.median().number)
	}
	if r.bound == nil {
		return ""
	}
	judged := r.worst()
	if r.middle {
		judged = r.median()
	}
	if judged.more {
		return "missed"
	}
	return verdict(judged.number, *r.bound)
}

func verdict(number, bound float64) string {
	if number <= bound {
		return "reached"
	}
	return "missed"
}

// missed counts the rows whose bound is missed.
func missed(rows []row) (n int) {
	for _, r := range rows {
		if r.result() == "missed" {
			n++
		}
	}
	return n
}

// ours reports whether it is Baton's.
func (r *row) ours() bool { return strings.HasPrefix(r.program, "Baton") }

// text renders a value in the row's unit.
func (r *row) text(v value) string {
	text := r.number(v.number)
	if v.more {
		return "≥ " + text
	}
	return text
}

func (r *row) number(n float64) string {
	switch {
	case r.unit == megabytes:
		return strconv.FormatFloat(n, 'f', 1, 64) + " MiB"
	case r.unit == percent:
		return strconv.FormatFloat(n, 'f', 2, 64) + " %"
	case r.unit == factor:
		return strconv.FormatFloat(n, 'f', 2, 64)
	case r.unit == count, n == 0:
		return strconv.FormatFloat(n, 'f', 0, 64)
	case n < 0.01:
		return strconv.FormatFloat(n*1000, 'f', 1, 64) + " ms"
	case n < 1:
		return strconv.FormatFloat(n*1000, 'f', 0, 64) + " ms"
	}
	return strconv.FormatFloat(n, 'f', 2, 64) + " s"
}

func (r *row) boundText() string {
	if r.against != nil {
		program, _, _ := strings.Cut(r.against.program, ",")
		return fmt.Sprintf("%g of %s", r.share, program)
	}
	if r.bound == nil {
		return ""
	}
	text := "at most " + r.number(*r.bound)
	if r.middle {
		return "median " + text
	}
	return text
}

// line is the row for a person who watches.
func (r *row) line() string {
	text := fmt.Sprintf("%-28s %-24s %-42s median %-9s worst %-9s min %-9s (%d runs)", r.scenario, r.measure, r.program,
		r.text(r.median()), r.text(r.worst()), r.text(r.min()), len(r.values))
	if r.boundText() != "" {
		text += fmt.Sprintf("  %s: %s", r.boundText(), r.result())
	}
	return strings.TrimRight(text, " ")
}
