package report

import (
	"slices"
	"time"

	"baton/internal/pair"
)

// AliveEvery is how often a running appliance leaves a sign of life. One that died
// may have served for so long after the last of them.
const AliveEvery = time.Second

// Question is what a judgement needs to know besides the changes.
type Question struct {
	Span
	Now  time.Time
	Self pair.ApplianceID // who judges: it knows of itself that it goes on as recorded
	// Begun is when the site was served for the first time; zero: never.
	Begun time.Time
	// Unheard is since when the backup that judges has not heard its primary; zero
	// if it hears it.
	Unheard time.Time
	// Of is the appliance of which alone is asked; empty: of the site.
	Of   pair.ApplianceID
	Step Step
	Zone *time.Location
}

// Outage is a time in which nobody served the site.
type Outage struct {
	Span
	Lasted  int64  `json:"lasted_ms" doc:"Within the range"`
	Unsure  int64  `json:"unsure_ms" doc:"It may have begun by so much earlier; that time counts as unknown"`
	Planned bool   `json:"planned" doc:"A planned switch"`
	Ongoing bool   `json:"ongoing" doc:"Not over yet"`
	Began   string `json:"began" doc:"Id of the event by which it began; empty if none is known"`
	Ended   string `json:"ended" doc:"Id of the event by which it ended; empty if none is known"`
}

// Figures sum a time up, in milliseconds.
type Figures struct {
	Span
	Up      int64 `json:"up_ms" doc:"An appliance served the site"`
	Down    int64 `json:"down_ms" doc:"Nobody did"`
	Unknown int64 `json:"unknown_ms" doc:"Nobody can tell"`
	Before  int64 `json:"before_ms" doc:"The site had not been served for the first time yet"`
	Outages int   `json:"outages" doc:"That touch this time"`
	Longest int64 `json:"longest_outage_ms" doc:"As far as it lies within this time"`
}

// Share returns the share of the known time, 0 to 1, in which the site was up;
// false if nothing is known.
func (f Figures) Share() (float64, bool) {
	if f.Up+f.Down == 0 {
		return 0, false
	}
	return float64(f.Up) / float64(f.Up+f.Down), true
}

// Availability is what is known about whether the site was served, and by whom.
type Availability struct {
	Total     Figures
	Parts     []Figures
	Stretches []Stretch // by appliance, then time
	Outages   []Outage  // in order
	Unknown   []Span    // when nobody can tell, in order
}

// Judge says when the site was up: while an appliance served it. It was down
// while none did, and neither before it was served for the first time. Where one
// may have served unseen, it is unknown. What an appliance recorded of itself
// counts more than what the other saw of it.
func Judge(q Question, changes []Change) Availability {
	q.Until = later(q.Since, earlier(q.Until, q.Now))
	stretches := handOver(stretchesOf(q, changes), q.Self)
	if q.Of != "" {
		stretches = slices.DeleteFunc(stretches, func(s Stretch) bool { return s.Appliance != q.Of })
	}
	begun := begin(q, stretches)
	result := divide(q, gapsOf(q, stretches, begun))
	result.Stretches = clip(stretches, q.Span)
	result.Total = figuresOf(q.Span, begun, result.Outages, result.Unknown)
	outages, unknown := result.Outages, result.Unknown
	for _, part := range Spans(q.Since, q.Until, q.Step, q.Zone) {
		for len(outages) > 0 && !outages[0].Until.After(part.Since) {
			outages = outages[1:]
		}
		for len(unknown) > 0 && !unknown[0].Until.After(part.Since) {
			unknown = unknown[1:]
		}
		result.Parts = append(result.Parts, figuresOf(part, begun, outages, unknown))
	}
	return result
}

// begin returns from when on the site is judged: since it was served for the
// first time, as far as there are records.
func begin(q Question, stretches []Stretch) time.Time {
	if q.Begun.IsZero() {
		return q.Until
	}
	first := q.Until
	for _, s := range stretches {
		first = earlier(first, s.Since)
	}
	return later(q.Begun, first)
}

// clip keeps what lies within the span.
func clip(stretches []Stretch, span Span) []Stretch {
	kept := []Stretch{}
	for _, s := range stretches {
		s.Span = s.within(span)
		if s.some() {
			kept = append(kept, s)
		}
	}
	return kept
}

// gap is a time in which nobody is recorded to have served the site.
type gap struct {
	Span
	doubt        time.Time // until when somebody may have, unrecorded
	began, ended mark
}

// gapsOf returns the gaps between the times in which an appliance served.
func gapsOf(q Question, stretches []Stretch, begun time.Time) []gap {
	gaps := []gap{}
	next := gap{Span: Span{Since: begun}}
	for _, s := range serving(stretches) {
		if s.Since.After(next.Since) {
			next.Until, next.ended = s.Since, s.began
			gaps = append(gaps, next)
		}
		if s.Until.After(next.Since) {
			next = gap{Span: Span{Since: s.Until}, doubt: s.doubt, began: s.ended}
		}
	}
	if next.Since.Before(q.Until) {
		next.Until = q.Until
		gaps = append(gaps, next)
	}
	return gaps
}

// divide tells, of each gap within the range, what is unknown and what is an outage.
func divide(q Question, gaps []gap) Availability {
	result := Availability{Outages: []Outage{}, Unknown: []Span{}}
	for _, g := range gaps {
		g.Span = g.within(q.Span)
		sure := earlier(later(g.Since, g.doubt), g.Until)
		if unknown := (Span{g.Since, sure}); unknown.some() {
			result.Unknown = append(result.Unknown, unknown)
		}
		down := Span{sure, g.Until}
		if !down.some() {
			continue
		}
		result.Outages = append(result.Outages, Outage{
			Span: down, Lasted: down.millis(), Unsure: sure.Sub(g.Since).Milliseconds(), Planned: g.began.planned,
			Ongoing: g.ended == mark{} && g.Until.Equal(q.Now), Began: g.began.event(), Ended: g.ended.event(),
		})
	}
	return result
}

// figuresOf sums up a span. Outages and what is unknown are in order; what lies
// after the span is left out.
func figuresOf(span Span, begun time.Time, outages []Outage, unknown []Span) Figures {
	f := Figures{Span: span, Before: Span{span.Since, begun}.within(span).millis()}
	for _, u := range unknown {
		if !u.Since.Before(span.Until) {
			break
		}
		f.Unknown += u.within(span).millis()
	}
	for _, o := range outages {
		if !o.Since.Before(span.Until) {
			break
		}
		lasted := o.within(span).millis()
		f.Down += lasted
		f.Longest = max(f.Longest, lasted)
		f.Outages++
	}
	f.Up = max(span.millis()-f.Before-f.Unknown-f.Down, 0)
	return f
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
