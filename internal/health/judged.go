package health

// Judged is what checks in a row have found: one result decides nothing, unless the pace says
// so, as a packet may be lost. The zero value has found nothing.
type Judged struct {
	bad    int   // failures in a row
	good   int   // passes in a row
	judged bool  // there were enough of either, once
	why    error // it is sick; nil: it is not, as far as is known
}

// Why is why what is checked is sick; nil: it is not, as far as is known.
func (j *Judged) Why() error { return j.why }

// Judged reports whether it is known to be sick, or to be healthy.
func (j *Judged) Judged() bool { return j.judged }

// Take counts one result.
func (j *Judged) Take(pace Pace, failed error) {
	pace = pace.OrUsual()
	if failed == nil {
		j.bad, j.good = 0, j.good+1
		if j.good >= pace.Passes {
			j.judged, j.why = true, nil
		}
		return
	}
	j.bad, j.good = j.bad+1, 0
	if j.why != nil || j.bad >= pace.Fails {
		j.judged, j.why = true, failed
	}
}

// Find has found what is checked to be sick, by what is no check in a row.
func (j *Judged) Find(why error) { j.bad, j.good, j.judged, j.why = 1, 0, true, why }
