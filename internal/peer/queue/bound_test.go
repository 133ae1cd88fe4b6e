package queue

import (
	"testing"
	"time"
)

// line is a way to the peer, as a connection meets it.
type line struct {
	rate   float64       // bytes per second
	trip   time.Duration // with nothing waiting
	buffer int           // bytes that the router holds
}

// run sends as much as it may for a time, and returns how much arrived per second, and the longest queue of
// the second half.
func (l line) run(t *testing.T, b *bound, during, most time.Duration) (rate float64, queue time.Duration) {
	t.Helper()
	now := time.Unix(1_000_000, 0)
	smooth, sent := l.trip, 0.0
	for end, half := now.Add(during), now.Add(during/2); now.Before(end); {
		underWay := min(b.bytes, int(l.rate*l.trip.Seconds())+l.buffer)
		waits := max(time.Duration(float64(underWay)/l.rate*float64(time.Second))-l.trip, 0)
		smooth += (l.trip + waits - smooth) * 3 / 4 // several samples come between two looks
		step := max(smooth, lookEvery)
		sent += min(l.rate, float64(underWay)/(l.trip+waits).Seconds()) * step.Seconds()
		now = now.Add(step)
		if now.After(half) {
			queue = max(queue, waits)
		}
		b.see(now, seen{smooth, underWay, underWay == b.bytes}, most)
	}
	return sent / during.Seconds(), queue
}

// The queue is short on every line, and the line is busy all the same.
func TestTheQueueIsShortAndTheLineBusy(t *testing.T) {
	for name, c := range map[string]struct {
		line
		most time.Duration
	}{
		"10 Mbit/s, near":          {line{1.25e6, 200 * time.Microsecond, 1 << 20}, 30 * time.Millisecond},
		"10 Mbit/s, short timeout": {line{1.25e6, 200 * time.Microsecond, 1 << 20}, 15 * time.Millisecond},
		"2 Mbit/s, far":            {line{0.25e6, 40 * time.Millisecond, 1 << 20}, 30 * time.Millisecond},
		"100 Mbit/s, far":          {line{12.5e6, 80 * time.Millisecond, 8 << 20}, 30 * time.Millisecond},
		"1 Gbit/s, near":           {line{125e6, 200 * time.Microsecond, 4 << 20}, 30 * time.Millisecond},
		"1 Gbit/s, far":            {line{125e6, 50 * time.Millisecond, 64 << 20}, 30 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			b := bound{bytes: first}
			rate, queue := c.run(t, &b, 40*time.Second, c.most)
			t.Logf("%.0f %% of the line, queue %s", 100*rate/c.rate, queue.Round(time.Millisecond))
			if rate < 0.9*c.rate {
				t.Errorf("only %.0f %% of the line", 100*rate/c.rate)
			}
			if allowed := 2*c.most + time.Duration(float64(least)/c.rate*float64(time.Second)); queue > allowed {
				t.Errorf("a queue of %s, wanted at most %s", queue, allowed)
			}
		})
	}
}

// A machine that is so busy that every round trip takes longer, whatever is under way, slows nothing for long.
func TestABusyMachineIsNoQueue(t *testing.T) {
	b := bound{bytes: first}
	near := line{500e6, 100 * time.Microsecond, 0}
	near.run(t, &b, 5*time.Second, 15*time.Millisecond)
	busy := line{500e6, 40 * time.Millisecond, 0}
	busy.run(t, &b, 12*time.Second, 15*time.Millisecond) // until it is measured anew
	rate, _ := busy.run(t, &b, 20*time.Second, 15*time.Millisecond)
	if rate < 400e6 {
		t.Errorf("%.0f MB/s of 500", rate/1e6)
	}
}
