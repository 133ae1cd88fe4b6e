package health

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"baton/internal/pair"
)

// Pace says how often something is checked, and how many results in a row count. A field that is
// zero is as usual, see [Pace.OrUsual].
type Pace struct {
	Every  time.Duration `json:"every,omitzero"`  // from one check to the next
	Wait   time.Duration `json:"wait,omitzero"`   // how long one may take
	Fails  int           `json:"fails,omitzero"`  // so many failures in a row, and it is sick
	Passes int           `json:"passes,omitzero"` // so many passes in a row, and it is healthy again
}

// OrUsual returns the pace with every field set: each 2 s, 2 s for an answer, sick after three failures in
// a row, healthy after two passes.
func (p Pace) OrUsual() Pace {
	const usual = 2 * time.Second
	if p.Every == 0 {
		p.Every = max(usual, p.Wait)
	}
	if p.Wait == 0 {
		p.Wait = min(usual, p.Every)
	}
	if p.Fails == 0 {
		p.Fails = 3
	}
	if p.Passes == 0 {
		p.Passes = 2
	}
	return p
}

// Bounds of a pace.
const (
	leastEvery, mostEvery = 500 * time.Millisecond, time.Hour
	leastWait, mostWait   = 100 * time.Millisecond, time.Minute
	mostInARow            = 100
)

// Valid refuses each field that is out of its bounds.
func (p Pace) Valid() error {
	full := p.OrUsual()
	switch {
	case p.Every != 0 && (p.Every < leastEvery || p.Every > mostEvery):
		return pair.RefuseField("every", "%s is no time between two checks: choose one from 500ms to 1h", p.Every)
	case full.Wait < leastWait || full.Wait > mostWait:
		return pair.RefuseField("wait", "%s is no time for an answer: choose one from 100ms to 1m", p.Wait)
	case full.Wait > full.Every:
		return pair.RefuseField("wait", "%s is longer than the time between two checks, %s: choose a shorter one, or a longer time between them", full.Wait, full.Every)
	case full.Fails < 1 || full.Fails > mostInARow:
		return pair.RefuseField("fails", "%d is no number of failures in a row: choose one from 1 to %d", p.Fails, mostInARow)
	case full.Passes < 1 || full.Passes > mostInARow:
		return pair.RefuseField("passes", "%d is no number of passes in a row: choose one from 1 to %d", p.Passes, mostInARow)
	}
	return nil
}

// Answer says what an http address has to answer to a check. The zero value takes any text with
// a status from 200 to 399.
type Answer struct {
	Status Statuses `json:"status,omitzero"`
	Body   string   `json:"body,omitempty"` // a text that it must contain
}

// IsZero reports whether nothing but the usual is asked for.
func (a Answer) IsZero() bool { return a == Answer{} }

// Statuses are those of HTTP that a check takes, from the one to the other. The zero value is 200 to
// 399.
type Statuses struct{ From, To int }

// ParseStatuses reads 200-399, one status, or nothing for the usual ones.
func ParseStatuses(text string) (Statuses, error) {
	from, to, isRange := strings.Cut(strings.TrimSpace(text), "-")
	if from == "" && !isRange {
		return Statuses{}, nil
	}
	if !isRange {
		to = from
	}
	least, err := strconv.ParseUint(from, 10, 16)
	most, wrong := strconv.ParseUint(to, 10, 16)
	if err != nil || wrong != nil || least < 100 || most > 599 || least > most {
		return Statuses{}, fmt.Errorf("%.40q is no status of HTTP, and no range of them: write one from 100 to 599, as 200, or two, as 200-399", text)
	}
	return Statuses{int(least), int(most)}, nil
}

// Take reports whether a status is one of them.
func (s Statuses) Take(status int) bool {
	if s.IsZero() {
		s = Statuses{200, 399}
	}
	return s.From <= status && status <= s.To
}

// IsZero reports whether they are the usual ones.
func (s Statuses) IsZero() bool { return s == Statuses{} }

// String renders them so that ParseStatuses reads them back.
func (s Statuses) String() string {
	switch {
	case s.IsZero():
		return ""
	case s.From == s.To:
		return strconv.Itoa(s.From)
	}
	return fmt.Sprintf("%d-%d", s.From, s.To)
}

// MarshalText implements encoding.TextMarshaler.
func (s Statuses) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Statuses) UnmarshalText(text []byte) (err error) {
	*s, err = ParseStatuses(string(text))
	return err
}
