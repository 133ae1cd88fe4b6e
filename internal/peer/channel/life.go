package channel

import (
	"crypto/rand"
	"time"

	"golang.org/x/sys/unix"
)

// Life is one run of an appliance's daemon, from its start to its end. When a new life
// connects, all connections to the life before it are dead, although a machine that lost
// its power has closed none of them.
type Life struct {
	ID    string        // empty: the peer's release does not send it
	Began time.Duration // by the boot-time clock of this machine, at the latest
}

// NewLife begins the life of this daemon.
func NewLife() Life { return Life{ID: rand.Text(), Began: sinceBoot()} }

// Age is how long the life has lasted, in milliseconds.
func (l Life) Age() int64 { return (sinceBoot() - l.Began).Milliseconds() }

// LifeOf returns the life of a peer that has just said how old it is, in milliseconds.
func LifeOf(id string, age int64) Life {
	return Life{ID: id, Began: sinceBoot() - time.Duration(max(age, 0))*time.Millisecond}
}

// sinceBoot reads CLOCK_BOOTTIME, which goes on while the machine is suspended.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail since Linux 2.6.39
	return time.Duration(ts.Nano())
}
