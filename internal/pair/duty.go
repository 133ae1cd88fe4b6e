package pair

// Duty is what an appliance wants of the site's services. Each service knows what it
// has to do for it: one that serves runs on the primary alone, one that follows the
// primary's, as a database, runs on both. The zero value is rest.
type Duty uint8

// The duties.
const (
	Rest   Duty = iota // none runs
	Lead               // of the appliance that serves: all run
	Follow             // of a backup: those run that follow the primary's
)

// String renders "rest", "lead" or "follow".
func (d Duty) String() string {
	switch d {
	case Rest:
		return "rest"
	case Lead:
		return "lead"
	case Follow:
		return "follow"
	}
	return "unknown"
}
