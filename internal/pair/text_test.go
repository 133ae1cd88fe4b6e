package pair

import (
	"testing"
	"time"
)

func TestBytesForAPerson(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1: "1 B", 999: "999 B", 1000: "1.00 kB", 1234: "1.23 kB", 9_996: "10.0 kB", 12_345: "12.3 kB", 99_960: "100 kB", 123_456: "123 kB",
		999_499: "999 kB", 999_600: "1.00 MB", 4_200_000: "4.20 MB", 5_000_000_000: "5.00 GB", 7_000_000_000_000: "7.00 TB", 1_234_000_000_000_000: "1234 TB",
	} {
		if got := BytesText(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
}

func TestTimesForAPerson(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "unknown", 0: "0 ms", 600 * time.Millisecond: "600 ms", 1240 * time.Millisecond: "1.2 s", 12 * time.Second: "12 s",
		200 * time.Second: "3 min 20 s", 2 * time.Minute: "2 min", 125 * time.Minute: "2 h 5 min", 47 * time.Hour: "47 h", 99 * time.Hour: "4 days",
	} {
		if got := LastingText(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
	if got := MillisText(5200); got != "5.2 s" {
		t.Error(got)
	}
}
