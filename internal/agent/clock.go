package agent

import (
	"baton/internal/failover"

	"golang.org/x/sys/unix"
)

// BootClock reads CLOCK_BOOTTIME, which goes on while the machine is suspended.
func BootClock() failover.Instant {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		panic("this kernel has no CLOCK_BOOTTIME: " + err.Error()) // since Linux 2.6.39 it cannot fail
	}
	return failover.Instant(ts.Nano())
}
