package peer

import (
	"crypto/rand"
	"time"

	"golang.org/x/sys/unix"
)

// life is one run of an appliance's daemon, from its start to its end. Who meets
// a new one knows that every connection to the former is dead, although a machine
// that lost its power has closed none of them.
type life struct {
	id    string        // empty: told by a release that knows of none
	began time.Duration // by the boot-time clock of this machine, at the latest
}

func newLife() life { return life{id: rand.Text(), began: sinceBoot()} }

// age is what a greeting tells of our own life, in milliseconds.
func (l life) age() int64 { return (sinceBoot() - l.began).Milliseconds() }

// lifeOf is what the greeting g, which came just now, tells of the peer's.
func lifeOf(g greeting) life {
	age := time.Duration(max(g.Age, 0)) * time.Millisecond
	return life{id: g.Life, began: sinceBoot() - age}
}

// sinceBoot reads CLOCK_BOOTTIME, which goes on while the machine is suspended.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail since Linux 2.6.39
	return time.Duration(ts.Nano())
}
