package siteclient

import (
	"slices"
	"time"
)

// Report tells from the client's side who answered when.
type Report struct {
	Attempts []Attempt // in the order of their ends
}

// Gap is a time without an answer: from the end of one answered attempt to the
// end of the next.
type Gap struct {
	From, To      time.Time
	Before, After string // who answered last, and who next
}

// Duration is how long it lasted.
func (g Gap) Duration() time.Duration { return g.To.Sub(g.From) }

// Spell is a time during which only one appliance answered, counted by the
// beginnings of the answered attempts. Appliances that answer at the same time
// show as many short spells by turns.
type Spell struct {
	Appliance string
	From, To  time.Time // begin of its first attempt, end of its last
	Answers   int
}

func newReport(attempts []Attempt) Report {
	sorted := slices.Clone(attempts)
	slices.SortStableFunc(sorted, func(a, b Attempt) int { return a.End.Compare(b.End) })
	return Report{Attempts: sorted}
}

// Between keeps the attempts that began within the time.
func (r Report) Between(from, to time.Time) Report {
	return Report{Attempts: slices.DeleteFunc(slices.Clone(r.Attempts), func(a Attempt) bool {
		return a.Start.Before(from) || a.Start.After(to)
	})}
}

// Count tells how many attempts ended with the result.
func (r Report) Count(result Result) int {
	n := 0
	for _, a := range r.Attempts {
		if a.Result == result {
			n++
		}
	}
	return n
}

// Answers lists the answered attempts.
func (r Report) Answers() []Attempt {
	return slices.DeleteFunc(slices.Clone(r.Attempts), func(a Attempt) bool { return a.Result != Answered })
}

// GapAfter is the time from an instant to the end of the first answered attempt
// that began after it; of that appliance, unless the name is empty. It is false
// while there was none.
func (r Report) GapAfter(at time.Time, appliance string) (time.Duration, bool) {
	for _, a := range r.Answers() {
		if !a.Start.Before(at) && (appliance == "" || a.Appliance == appliance) {
			return a.End.Sub(at), true
		}
	}
	return 0, false
}

// Gaps lists the times of at least that length without an answer.
func (r Report) Gaps(atLeast time.Duration) []Gap {
	var gaps []Gap
	answers := r.Answers()
	for i := 1; i < len(answers); i++ {
		gap := Gap{From: answers[i-1].End, To: answers[i].End, Before: answers[i-1].Appliance, After: answers[i].Appliance}
		if gap.Duration() >= atLeast {
			gaps = append(gaps, gap)
		}
	}
	return gaps
}

// Longest is the longest gap; the zero value if there were fewer than two answers.
func (r Report) Longest() Gap {
	var longest Gap
	for _, gap := range r.Gaps(0) {
		if gap.Duration() > longest.Duration() {
			longest = gap
		}
	}
	return longest
}

// Spells lists who answered, in turn.
func (r Report) Spells() []Spell {
	answers := r.Answers()
	slices.SortStableFunc(answers, func(a, b Attempt) int { return a.Start.Compare(b.Start) })
	var spells []Spell
	for _, a := range answers {
		if len(spells) == 0 || spells[len(spells)-1].Appliance != a.Appliance {
			spells = append(spells, Spell{Appliance: a.Appliance, From: a.Start, To: a.End})
		}
		last := &spells[len(spells)-1]
		last.Answers++
		last.To = a.End
	}
	return spells
}

// Overlap is how long two appliances both answered within the time of the
// report: from the end of the first answer of the one that came to the beginning
// of the last attempt that the other answered; 0 if they did not overlap. Take
// the report Between the instants around one change of role.
func (r Report) Overlap(leaving, coming string) time.Duration {
	var last, first time.Time
	for _, a := range r.Answers() {
		if a.Appliance == coming && first.IsZero() {
			first = a.End
		}
		if a.Appliance == leaving && a.Start.After(last) {
			last = a.Start
		}
	}
	if first.IsZero() || !last.After(first) {
		return 0
	}
	return last.Sub(first)
}
