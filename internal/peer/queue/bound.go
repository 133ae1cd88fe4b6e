package queue

import "time"

// Bounds of what is under way on one connection, in bytes, and when it is looked at.
const (
	first     = 256 << 10
	least     = 32 << 10 // with less, a receiver that waits before it acknowledges looks like a queue
	greatest  = 32 << 20
	lookEvery = 10 * time.Millisecond
	// After this time with a queue, the way is measured anew without one: it may have become longer,
	// or a machine may be so busy that all takes longer, whatever waits.
	measureEvery = 10 * time.Second
	measureTrips = 4 // round trips, or looks, for which next to nothing is sent then
)

// bound is how many bytes may be under way on a connection.
type bound struct {
	bytes    int
	shortest time.Duration // round trip, as nothing waited; 0: not known
	measured time.Time
	waited   bool // there was a queue since
	held     int  // bytes for after the measuring; 0: it is not measured now
	until    time.Time
}

// seen is what a look finds out.
type seen struct {
	trip     time.Duration // the newest round trips; 0: none yet
	underWay int           // bytes
	short    bool          // the bound held something back since the last look
}

// see changes the bound such that no more than most of a round trip is a queue.
func (b *bound) see(now time.Time, s seen, most time.Duration) {
	if s.trip <= 0 {
		return
	}
	if b.held > 0 {
		b.measure(now, s.trip)
		return
	}
	if b.shortest == 0 || s.trip < b.shortest {
		b.shortest, b.measured = s.trip, now
	}
	wanted := b.shortest + most
	switch {
	case s.trip > wanted && s.underWay > least/2: // a connection that sends little makes nothing wait
		b.waited = true
		b.bytes = max(int(float64(b.bytes)*max(float64(wanted)/float64(s.trip), 0.5)), least)
	case s.trip <= wanted && s.short:
		b.bytes = min(b.bytes*grown(s.trip, wanted)/4, greatest)
	}
	if b.waited && now.Sub(b.measured) >= measureEvery {
		b.held, b.bytes, b.until = b.bytes, least, now.Add(measureTrips*max(s.trip, lookEvery))
	}
}

// grown is by how many quarters the bound grows: fast as long as nothing waits.
func grown(trip, wanted time.Duration) int {
	if trip <= wanted/2 {
		return 8
	}
	return 5
}

// measure ends the measuring in time.
func (b *bound) measure(now time.Time, trip time.Duration) {
	if now.Before(b.until) {
		return
	}
	b.shortest, b.measured, b.waited = trip, now, false
	b.bytes, b.held = b.held, 0
}
