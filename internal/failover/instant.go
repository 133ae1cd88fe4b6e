package failover

import "time"

// Instant is a reading of the boot-time clock (CLOCK_BOOTTIME), handed in. It
// goes on while the machine is suspended and is never set.
type Instant time.Duration

// Never is later than every instant that can be read.
const Never = Instant(1<<63 - 1)

// Add returns the instant d later.
func (t Instant) Add(d time.Duration) Instant { return t + Instant(d) }

// Sub returns how much later t is than earlier.
func (t Instant) Sub(earlier Instant) time.Duration { return time.Duration(t - earlier) }

// Moment is an instant that may not have come. The zero value is "not yet".
type Moment struct {
	At  Instant
	Set bool
}

// at makes a moment that has come.
func at(t Instant) Moment { return Moment{At: t, Set: true} }

// within reports whether the moment came, less than d before now.
func (m Moment) within(d time.Duration, now Instant) bool { return m.Set && now.Sub(m.At) < d }

// or returns the moment, or other if it has not come.
func (m Moment) or(other Instant) Instant {
	if m.Set {
		return m.At
	}
	return other
}
