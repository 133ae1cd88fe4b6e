package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

//go:embed profile.md.tmpl
var profileText string

// summary is what the page says of one profile.
type summary struct {
	Profile, Command, Machine, Commit string
	Timeout, Took                     time.Duration
	began                             time.Time // the first fault
	Seed                              uint64
	Faults, Overlapping, Split        int
	Answered, Aside, Excused, Lost    int
	Persons, Broken                   int
	Reasons                           []string // why a person was needed
	Two, TwoSplit                     int64    // ms, outside the cases of I5 and in them
	AgeP50, AgeP99, AgeMax            int64
	BackMax, SafeMax, StallP50, Stall int64
	Alone, Together                   string // tables
}

// cell gathers the rounds of one row.
type cell struct {
	n, lost, excused, persons int
	two, twoSplit             int64
	gaps, ages                []int64
	seconds                   map[kind]int
}

func (c *cell) add(r result) {
	c.n++
	c.lost += r.Lost
	c.excused += r.Excused
	if r.Person != "" {
		c.persons++
	}
	if r.Split {
		c.twoSplit = max(c.twoSplit, r.OwnersMS)
	} else {
		c.two = max(c.two, r.OwnersMS)
	}
	c.gaps, c.ages = append(c.gaps, r.GapMS), append(c.ages, r.AgeMS)
	if s := r.Plan.Second; s != nil {
		if c.seconds == nil {
			c.seconds = map[kind]int{}
		}
		c.seconds[s.Kind]++
	}
}

// share is the value below which that share of the values lies.
func share(values []int64, part float64) int64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

func (c *cell) line() string {
	two := strconv.FormatInt(c.two, 10)
	if c.twoSplit > 0 {
		two += fmt.Sprintf(" (I5: %d)", c.twoSplit)
	}
	return fmt.Sprintf("%d | %s | %d / %d / %d | %d | %d | %d / %d", c.n, two,
		share(c.gaps, 0.5), share(c.gaps, 0.99), share(c.gaps, 1), c.lost, c.persons, share(c.ages, 0.5), share(c.ages, 1))
}

// summarize reads the results of one profile.
func (c *campaign) summarize() (s summary, err error) {
	s = summary{Profile: c.profile.name, Timeout: c.profile.timeout, Seed: c.seed, Command: c.command(), Machine: thisMachine(), Commit: c.commit}
	alone, together := map[string]*cell{}, map[string]*cell{}
	var ages, stalls []int64
	err = eachResult(filepath.Join(c.dir, resultsName), func(r result) {
		s.add(r)
		ages, stalls = append(ages, r.AgeMS), append(stalls, r.StallMS)
		row, to := string(r.Plan.First.Kind)+" | "+string(r.Plan.Moment), alone
		if r.Plan.Second != nil {
			row, to = string(r.Plan.First.Kind), together
		}
		if to[row] == nil {
			to[row] = &cell{}
		}
		to[row].add(r)
	})
	s.AgeP50, s.AgeP99, s.AgeMax = share(ages, 0.5), share(ages, 0.99), share(ages, 1)
	s.StallP50, s.Stall = share(stalls, 0.5), share(stalls, 1)
	s.Alone, s.Together = tableAlone(alone), tableTogether(together)
	return s, err
}

func (s *summary) add(r result) {
	s.Faults++
	s.Answered += r.Answered
	s.Excused += r.Excused
	s.Lost += r.Lost
	if s.Faults == 1 {
		s.began = r.At
	}
	s.Took = r.At.Sub(s.began).Truncate(time.Second)
	s.BackMax, s.SafeMax = max(s.BackMax, r.BackMS), max(s.SafeMax, r.SafeMS)
	if r.Aside > 0 {
		s.Aside++
	}
	if r.Plan.Second != nil {
		s.Overlapping++
	}
	if r.Split {
		s.Split++
		s.TwoSplit = max(s.TwoSplit, r.OwnersMS)
	} else {
		s.Two = max(s.Two, r.OwnersMS)
	}
	if r.Person != "" {
		s.Persons++
		s.Reasons = append(s.Reasons, fmt.Sprintf("round %d: %s", r.Plan.Round, r.Person))
	}
	if len(r.Broken) > 0 {
		s.Broken++
	}
}

const columns = "n | two owners, ms | without an answer, ms | lost | persons | data age, ms |\n"

func tableAlone(rows map[string]*cell) string {
	var text strings.Builder
	text.WriteString("| fault | moment | " + columns + "|---|---|--:|--:|--:|--:|--:|--:|\n")
	for _, k := range kinds() {
		for _, m := range moments() {
			if c := rows[string(k)+" | "+string(m)]; c != nil {
				fmt.Fprintf(&text, "| %s | %s | %s |\n", k, m, c.line())
			}
		}
	}
	return text.String()
}

func tableTogether(rows map[string]*cell) string {
	var text strings.Builder
	text.WriteString("| first | second | " + columns + "|---|---|--:|--:|--:|--:|--:|--:|\n")
	for _, k := range kinds() {
		c := rows[string(k)]
		if c == nil {
			continue
		}
		var seconds []string
		for _, s := range kinds() {
			if n := c.seconds[s]; n > 1 {
				seconds = append(seconds, fmt.Sprintf("%s (%d)", s, n))
			} else if n == 1 {
				seconds = append(seconds, string(s))
			}
		}
		fmt.Fprintf(&text, "| %s | %s | %s |\n", k, strings.Join(seconds, ", "), c.line())
	}
	return text.String()
}

// marks of the part of the page that a profile's run writes; the rest of the page
// is written by hand and stays.
func marks(profile string) (from, to string) {
	return "<!-- " + profile + ": written by make faults -->\n", "<!-- end of " + profile + " -->\n"
}

var errNoMarks = errors.New("the page has no marks for the profile")

// write puts the profile's part into the page.
func (s summary) write(path string) error {
	part, err := template.New("profile").Parse(profileText)
	if err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	var text bytes.Buffer
	if err := part.Execute(&text, s); err != nil {
		return fmt.Errorf("fill in the page: %w", err)
	}
	page, err := os.ReadFile(path) //nolint:gosec // documentation
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	from, to := marks(s.Profile)
	before, rest, found := strings.Cut(string(page), from)
	_, after, foundEnd := strings.Cut(rest, to)
	if !found || !foundEnd {
		return fmt.Errorf("%w: %s, %s", errNoMarks, path, s.Profile)
	}
	if err := os.WriteFile(path, []byte(before+from+text.String()+to+after), 0o644); err != nil { //nolint:gosec // documentation
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
