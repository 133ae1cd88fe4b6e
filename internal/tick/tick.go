// Package tick has what is done regularly done at the same moment: a machine that wakes once
// for ten small things uses less of its processor than one that wakes ten times.
package tick

import "time"

// Every returns a ticker like that of [time.NewTicker], which ticks when the others of its interval do: at the
// multiples of it. Its first tick comes after one to two intervals.
func Every(interval time.Duration) *time.Ticker {
	ticker := time.NewTicker(interval)
	if past := past(time.Now(), interval); past > 0 {
		time.AfterFunc(interval-past, func() { ticker.Reset(interval) })
	}
	return ticker
}

// past is how long ago the last multiple of the interval was. After a step of the wall clock, new tickers tick at
// another moment than the old ones.
func past(now time.Time, interval time.Duration) time.Duration {
	return time.Duration(now.UnixNano()) % interval
}
