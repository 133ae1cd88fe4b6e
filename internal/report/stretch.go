package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"baton/internal/pair"
)

// Change is one record of an appliance about its part in serving the site.
type Change struct {
	Appliance pair.ApplianceID
	Seq       int64     // running number of the event in that appliance's history
	Time      time.Time // by that appliance's clock
	Kind      string    // of the event
	Place     string    // role and phase from then on, as "primary steady"; empty: the daemon stopped
	Serves    bool      // whether the site is served there from then on
	// Gap is for how long nobody had served the site when this appliance took it
	// over, by its own clock alone; 0: it was not taken over from another.
	Gap time.Duration
	// Alive is, when the daemon started, the last sign of life of its run before;
	// zero if there was none.
	Alive time.Time
}

// mark names the event by which something began or ended.
type mark struct {
	appliance pair.ApplianceID
	seq       int64 // 0: none is known
	planned   bool  // it is the beginning of a planned switch on the side that gives
}

// switching is the place of a primary that holds requests for a planned switch.
const switching = "primary handover"

// event returns the event's id, or nothing.
func (m mark) event() string {
	if m.seq == 0 {
		return ""
	}
	return pair.EventID(m.appliance, m.seq)
}

func (c Change) mark() mark {
	gives := c.Kind == pair.KindHandover || c.Place == switching
	return mark{appliance: c.Appliance, seq: c.Seq, planned: gives && !c.Serves}
}

// Stretch is a time in which an appliance went on as one thing.
type Stretch struct {
	Span
	Appliance pair.ApplianceID `json:"appliance"`
	Place     string           `json:"place" doc:"Role and state, as primary steady; empty: its daemon did not run"`
	Serves    bool             `json:"serves" doc:"It served the site"`
	Apart     bool             `json:"apart,omitempty" doc:"It had a site of its own, which was replaced when it became a backup"`

	began, ended mark
	gap          time.Duration // as in Change
	open         bool          // no record ends it
	restarted    time.Time     // it died after its last sign of life, nobody knows when; zero: it did not
	doubt        time.Time     // until when it may have gone on beyond its end; zero: it did not
}

// stretchesOf turns each appliance's records into stretches that follow one
// another, in the order of its running numbers: its clock may have been set.
func stretchesOf(q Question, changes []Change) []Stretch {
	ordered := slices.Clone(changes)
	slices.SortStableFunc(ordered, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Appliance, b.Appliance), cmp.Compare(a.Seq, b.Seq))
	})
	parted := partedAt(q.Self, ordered)
	all := make([]Stretch, 0, len(ordered))
	for i, change := range ordered {
		next := len(ordered) > i+1 && ordered[i+1].Appliance == change.Appliance
		if i == 0 || ordered[i-1].Appliance != change.Appliance {
			all = append(all, opened(change, change.Time))
		} else {
			all = follow(all, change)
		}
		if !next {
			all[len(all)-1] = unended(q, all[len(all)-1], parted)
		}
	}
	return all
}

// partedAt is since when an appliance has had no relationship: what others did
// since then was for another site. Zero if it has one.
func partedAt(self pair.ApplianceID, ordered []Change) (parted time.Time) {
	for _, change := range ordered {
		switch {
		case change.Appliance != self || change.Place == "":
		case roleOf(change.Place) != pair.Standalone.String():
			parted = time.Time{}
		case parted.IsZero():
			parted = change.Time
		}
	}
	return parted
}

func roleOf(place string) string {
	role, _, _ := strings.Cut(place, " ")
	return role
}

func opened(change Change, since time.Time) Stretch {
	return Stretch{
		Span: Span{Since: since}, Appliance: change.Appliance, Place: change.Place, Serves: change.Serves,
		began: change.mark(), gap: change.Gap,
	}
}

// follow ends the last stretch by a change of the same appliance. A daemon that
// starts, though it never stopped, died after its last sign of life.
func follow(all []Stretch, change Change) []Stretch {
	last := &all[len(all)-1]
	last.Until, last.ended = later(last.Since, change.Time), change.mark()
	now := last.Until
	if change.Kind == pair.KindStarted && last.Place != "" && !change.Alive.IsZero() && change.Alive.Before(now) {
		last.Until, last.restarted = later(last.Since, change.Alive), now
		last.doubt = earlier(last.Until.Add(AliveEvery), now)
		all = append(all, Stretch{Span: Span{last.Until, now}, Appliance: change.Appliance, began: change.mark(), ended: change.mark()})
	}
	if roleOf(change.Place) == pair.Backup.String() {
		replaced(all)
	}
	return append(all, opened(change, now))
}

// replaced takes back what an appliance served before it became a backup: that
// was a site of its own, in whose place it has got the other's.
func replaced(all []Stretch) {
	for i := len(all) - 1; i >= 0 && all[i].Appliance == all[len(all)-1].Appliance; i-- {
		if role := roleOf(all[i].Place); role != "" && role != pair.Standalone.String() {
			return
		}
		all[i].Serves, all[i].Apart = false, true
	}
}

// unended carries the last stretch of an appliance on until now. Whether another
// one serves on that is not heard, or has left the relationship, nobody here knows.
func unended(q Question, last Stretch, parted time.Time) Stretch {
	last.open = true
	last.Until = later(last.Since, q.Now)
	if !last.Serves || last.Appliance == q.Self {
		return last
	}
	for _, lost := range []time.Time{q.Unheard, parted} {
		if !lost.IsZero() && lost.Before(last.Until) {
			last.Until, last.doubt = later(last.Since, lost), q.Now
		}
	}
	return last
}

// handOver lines up what two appliances recorded of one switch. Where the former
// primary's own record of its end is missing, it ended when the one that took
// over says; a planned switch lasted as long as the taker's one clock says, not
// what two clocks differ by; and one that died was alive as long as it was heard.
func handOver(stretches []Stretch, self pair.ApplianceID) []Stretch {
	lasts := map[pair.ApplianceID]*Stretch{} // newest that served
	for _, taker := range serving(stretches) {
		for id, giver := range lasts {
			if id != taker.Appliance {
				giver.relieve(*taker, self)
				delete(lasts, id)
			}
		}
		lasts[taker.Appliance] = taker
	}
	for i := range stretches[:max(len(stretches)-1, 0)] {
		if !stretches[i].restarted.IsZero() { // what follows is that it did not run
			stretches[i+1].Since = stretches[i].Until
		}
	}
	return stretches
}

// relieve ends a stretch that served by the one that served next.
func (s *Stretch) relieve(taker Stretch, self pair.ApplianceID) {
	heard := taker.Since.Add(-taker.gap)
	switch {
	case s.open && s.Appliance != self && taker.gap == 0: // not taken over from it
		s.Until = later(s.Since, earlier(s.Until, heard))
	case s.open && s.Appliance != self:
		s.endAt(earlier(s.Until, heard))
	case s.ended.planned && taker.gap > 0:
		s.endAt(heard)
	case taker.gap > 0 && heard.Before(s.restarted):
		s.endAt(later(s.Until, heard))
	case taker.gap > 0 && !s.open && s.restarted.IsZero():
		s.endAt(earlier(s.Until, heard)) // it went on where no client reached it
	}
}

// endAt ends a stretch where the appliance that took over says.
func (s *Stretch) endAt(end time.Time) { s.Until, s.doubt = later(s.Since, end), time.Time{} }

// serving returns those that served the site, in the order in which they began.
func serving(stretches []Stretch) []*Stretch {
	var found []*Stretch
	for i := range stretches {
		if stretches[i].Serves {
			found = append(found, &stretches[i])
		}
	}
	slices.SortStableFunc(found, func(a, b *Stretch) int { return a.Since.Compare(b.Since) })
	return found
}
