package peer

import (
	"syscall"
	"testing"
	"time"
)

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkPoll reports what a poll costs both appliances together, of CPU.
func BenchmarkPoll(b *testing.B) {
	_, beta := pairOf(b)
	if err := beta.poll(b, time.Second); err != nil {
		b.Fatal(err)
	}
	before := cpuTime(b)
	for b.Loop() {
		if err := beta.poll(b, time.Second); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// BenchmarkConnect reports what a connection costs: TLS, CPace, HTTP/2.
func BenchmarkConnect(b *testing.B) {
	_, beta := pairOf(b)
	before := cpuTime(b)
	for b.Loop() {
		conn, err := beta.connect(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		_ = conn.Close()
	}
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}
