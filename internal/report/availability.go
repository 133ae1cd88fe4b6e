package report

import (
	"time"

	"baton/internal/pair"
)

// Question is what a judgement needs to know besides the changes.
type Question struct {
	Span
	Now  time.Time
	Self pair.ApplianceID // who judges: it knows of itself that it goes on as recorded
	// Unheard is since when the backup that judges has not heard its primary; zero
	// if it hears it.
	Unheard time.Time
	Step    Step
	Zone    *time.Location
}

// Outage is a time in which nobody served the site.
type Outage struct {
	Span
	Lasted  int64  `json:"lasted_ms" doc:"Within the range"`
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
	Unknown int64 `json:"unknown_ms" doc:"No appliance had recorded anything yet"`
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
}

// Judge says when the site was up: while an appliance served it. It was down
// while none did, and it is unknown before the first record of any. What an
// appliance recorded of itself counts more than what the other saw of it.
func Judge(q Question, changes []Change) Availability {
	q.Until = later(q.Since, earlier(q.Until, q.Now))
	stretches := handOver(stretchesOf(q, changes), q.Self)
	known := firstKnown(q, stretches)
	stretches = clip(stretches, q.Span)
	outages := outagesOf(q, stretches, known)
	result := Availability{Stretches: stretches, Outages: outages, Total: figuresOf(q.Span, outages, known)}
	for _, part := range Spans(q.Since, q.Until, q.Step, q.Zone) {
		for len(outages) > 0 && !outages[0].Until.After(part.Since) {
			outages = outages[1:]
		}
		result.Parts = append(result.Parts, figuresOf(part, outages, known))
	}
	return result
}

// firstKnown returns when the first record begins.
func firstKnown(q Question, stretches []Stretch) time.Time {
	known := q.Until
	for _, s := range stretches {
		known = earlier(known, s.Since)
	}
	return known
}

// clip keeps what lies within the span.
func clip(stretches []Stretch, span Span) []Stretch {
	kept := []Stretch{}
	for _, s := range stretches {
		s.Since, s.Until = later(s.Since, span.Since), earlier(s.Until, span.Until)
		if s.Since.Before(s.Until) {
			kept = append(kept, s)
		}
	}
	return kept
}

// outagesOf returns the gaps between the times in which an appliance served.
func outagesOf(q Question, stretches []Stretch, known time.Time) []Outage {
	outages := []Outage{}
	at, began := later(q.Since, known), mark{}
	for _, s := range serving(stretches) {
		if s.Since.After(at) {
			outages = append(outages, outage(Span{at, s.Since}, began, s.began))
		}
		if s.Until.After(at) {
			at, began = s.Until, s.ended
		}
	}
	if at.Before(q.Until) {
		last := outage(Span{at, q.Until}, began, mark{})
		last.Ongoing = q.Until.Equal(q.Now)
		outages = append(outages, last)
	}
	return outages
}

func outage(span Span, began, ended mark) Outage {
	return Outage{
		Span: span, Lasted: span.Until.Sub(span.Since).Milliseconds(), Planned: began.planned,
		Began: began.event(), Ended: ended.event(),
	}
}

// figuresOf sums up a span. The outages are in order; those after it are left out.
func figuresOf(span Span, outages []Outage, known time.Time) Figures {
	f := Figures{Span: span}
	f.Unknown = earlier(later(known, span.Since), span.Until).Sub(span.Since).Milliseconds()
	for _, o := range outages {
		if !o.Since.Before(span.Until) {
			break
		}
		lasted := earlier(o.Until, span.Until).Sub(later(o.Since, span.Since)).Milliseconds()
		f.Down += lasted
		f.Longest = max(f.Longest, lasted)
		f.Outages++
	}
	f.Up = max(span.Until.Sub(span.Since).Milliseconds()-f.Unknown-f.Down, 0)
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
