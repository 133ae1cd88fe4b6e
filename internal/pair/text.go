package pair

import (
	"fmt"
	"strconv"
	"time"
)

// BytesText renders a number of bytes for a person, in decimal units, as disks and
// networks are sold: 12 B, 4.20 MB, 98.5 GB, 120 kB.
func BytesText(n int64) string {
	const unit, rounded = 1000, 999.5
	if n < unit {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, name := float64(n), ""
	for _, name = range []string{"kB", "MB", "GB", "TB"} {
		if value /= unit; value < rounded {
			break
		}
	}
	return strconv.FormatFloat(value, 'f', decimals(value), 64) + " " + name
}

// decimals keeps three digits.
func decimals(value float64) int {
	switch {
	case value < 9.995:
		return 2
	case value < 99.95:
		return 1
	}
	return 0
}

// LastingText renders a duration for a person: 80 ms, 1.2 s, 3 min 20 s, 2 h 5 min,
// 4 days. A negative one is not known. DurationText is for what is typed.
func LastingText(d time.Duration) string {
	switch {
	case d < 0:
		return "unknown"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 9950*time.Millisecond:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return two(int(d/time.Minute), "min", int(d%time.Minute/time.Second), "s")
	case d < 48*time.Hour:
		return two(int(d/time.Hour), "h", int(d%time.Hour/time.Minute), "min")
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + " days"
}

func two(large int, unit string, small int, part string) string {
	if small == 0 {
		return fmt.Sprintf("%d %s", large, unit)
	}
	return fmt.Sprintf("%d %s %d %s", large, unit, small, part)
}

// MillisText renders milliseconds as LastingText does.
func MillisText(ms int64) string { return LastingText(time.Duration(ms) * time.Millisecond) }
