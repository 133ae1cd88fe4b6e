package probe

// What is checked is sick after sickAfter failures in a row, and well again after wellAfter
// answers in a row: one lost packet decides nothing.
const (
	sickAfter = 3
	wellAfter = 2
)

// Judged is what checks in a row have found. The zero value has found nothing.
type Judged struct {
	bad  int  // failures in a row
	good int  // answers in a row
	sick bool // as last told
}

// Sick reports whether what is checked is sick.
func (j *Judged) Sick() bool { return j.sick }

// Take counts one result, and says whether to tell it: nil, or why what is checked is sick.
func (j *Judged) Take(failed error) (why error, tell bool) {
	if failed != nil {
		j.bad, j.good = j.bad+1, 0
		j.sick = j.sick || j.bad >= sickAfter
		return failed, j.sick
	}
	j.bad, j.good = 0, j.good+1
	if !j.sick || j.good < wellAfter {
		return nil, false
	}
	j.sick = false
	return nil, true
}
