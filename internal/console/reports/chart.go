package reports

import (
	"slices"
	"time"

	"baton/internal/report"
)

// chart is a row of stacked bars over time, drawn by the server: it needs no
// script, follows the colours of the page, and the table beside it says the same.
type chart struct {
	ID     string
	Title  string // what the bars count, and over what time
	Width  int    // in units; the page stretches them
	Bars   []bar
	Legend []series
	Scale  [3]string // what top, middle and bottom stand for
	Axis   []string  // dates below, evenly spread
}

// series is one of the things that bars are stacked of.
type series struct {
	Class string // of its colour: good, info, warning, critical
	Label string
}

// bar is a rectangle, in units from the top left.
type bar struct {
	Class      string
	X, Y, W, H float64
	Tip        string
}

// Geometry of a chart, in units.
const (
	barStep  = 10 // from one bar to the next
	barWidth = 8
	barsHigh = 100
	leastBar = 1.5 // so that one among thousands is seen
)

// stack is what one bar of a chart shows.
type stack struct {
	Span   report.Span
	Values []float64 // by series
	Tip    string
}

// newChart draws stacks. The unit writes a value of the scale.
func newChart(id, title string, legend []series, stacks []stack, step report.Step, zone *time.Location, unit func(float64) string) chart {
	c := chart{ID: id, Title: title, Width: max(len(stacks), 1) * barStep, Legend: legend}
	highest := 0.0
	for _, s := range stacks {
		highest = max(highest, total(s.Values))
	}
	top := roundUp(highest)
	c.Scale = [3]string{unit(top), unit(top / 2), unit(0)}
	for i, s := range stacks {
		y := float64(barsHigh)
		for at, kind := range legend {
			if at >= len(s.Values) || s.Values[at] <= 0 {
				continue
			}
			high := min(max(s.Values[at]/top*barsHigh, leastBar), y)
			y -= high
			c.Bars = append(c.Bars, bar{Class: kind.Class, X: float64(i * barStep), Y: y, W: barWidth, H: high, Tip: s.Tip})
		}
	}
	c.Axis = axis(stacks, step, zone)
	return c
}

func total(values []float64) (sum float64) {
	for _, value := range values {
		sum += value
	}
	return sum
}

// roundUp returns the next round number whose half is one as well.
func roundUp(value float64) float64 {
	for unit := 1.0; ; unit *= 10 {
		for _, factor := range []float64{2, 4, 6, 8, 10} {
			if round := factor * unit; round >= value {
				return round
			}
		}
	}
}

// axis names a few of the times below a chart.
func axis(stacks []stack, step report.Step, zone *time.Location) []string {
	const labels = 5
	var named []string
	n := min(len(stacks), labels)
	for i := range n {
		at := 0
		if n > 1 {
			at = i * (len(stacks) - 1) / (n - 1)
		}
		named = append(named, spanLabel(stacks[at].Span, step, zone))
	}
	return named
}

// spanLabel names one part of a report.
func spanLabel(span report.Span, step report.Step, zone *time.Location) string {
	since := span.Since.In(zone)
	switch step {
	case report.Hourly:
		return since.Format("2 Jan 15:04")
	case report.Daily:
		return since.Format("2 Jan 2006")
	case report.Monthly:
		return since.Format("January 2006")
	}
	return since.Format(time.DateOnly)
}

// strip is one line of what the site or an appliance was, over the time of a report.
type strip struct {
	Label   string
	InWords string // the same in words
	Bars    []bar
}

// stripWidth is the length of a strip, in units.
const stripWidth = 1000

// piece is a part of a strip.
type piece struct {
	report.Span
	Class, Tip string
}

// newStrip draws pieces that follow one another. A piece that is too short to be seen is
// drawn longer; of several of a kind within that length, one is drawn.
func newStrip(label, inWords string, over report.Span, pieces []piece) strip {
	const least = 2.0
	s := strip{Label: label, InWords: inWords}
	whole := over.Until.Sub(over.Since).Seconds()
	at := func(t time.Time) float64 { return min(max(t.Sub(over.Since).Seconds()/whole, 0), 1) * stripWidth }
	ends := map[string]float64{}
	for _, p := range pieces {
		if !p.Until.After(over.Since) {
			continue
		}
		from, to := at(p.Since), at(p.Until)
		if to <= ends[p.Class] && to-from < least {
			continue
		}
		w := max(to-from, least)
		x := min(from, stripWidth-w)
		ends[p.Class] = x + w
		s.Bars = append(s.Bars, bar{Class: p.Class, X: x, W: w, H: 1, Tip: p.Tip})
	}
	// The shortest last, so that nothing hides an outage.
	slices.SortStableFunc(s.Bars, func(a, b bar) int {
		switch {
		case a.W > b.W:
			return -1
		case a.W < b.W:
			return 1
		}
		return 0
	})
	return s
}
