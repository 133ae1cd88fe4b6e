//go:build e2e

package browser

import (
	"slices"
	"sync"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// load is what it took to show a page.
type load struct {
	server time.Duration // from the request to the first byte of the page
	whole  time.Duration // from the start to the last byte of the page
	paint  time.Duration // from the start to the first contentful paint
	bytes  int           // received, as they were on the wire
}

// timings is the browser's own account of the page, in milliseconds.
type timings struct {
	Server float64 `json:"server"`
	Whole  float64 `json:"whole"`
	Paint  float64 `json:"paint"`
}

// measure opens a page and returns what it took.
func (p *tab) measure(path string) load {
	p.t.Helper()
	received := p.receive()
	p.open(path)
	var found timings
	eventually(p.t, path+" is painted", patience, func() bool {
		var err error
		found, err = try[timings](p, `(() => {
			const page = performance.getEntriesByType('navigation')[0];
			const paint = performance.getEntriesByName('first-contentful-paint')[0];
			return {server: page.responseStart - page.requestStart, whole: page.responseEnd, paint: paint ? paint.startTime : 0};
		})()`)
		return err == nil && found.Paint > 0
	})
	ms := func(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }
	return load{server: ms(found.Server), whole: ms(found.Whole), paint: ms(found.Paint), bytes: received()}
}

// receive counts what the tab receives, until the result is called.
func (p *tab) receive() func() int {
	p.t.Helper()
	var mu sync.Mutex
	total := 0.0
	p.do(chromedp.Listen(p.ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		if ended, ok := event.(*network.EventLoadingFinished); ok {
			total += ended.EncodedDataLength
		}
	}))
	return func() int {
		mu.Lock()
		defer mu.Unlock()
		return int(total)
	}
}

// forget empties the browser's cache, as for somebody who comes first.
func (p *tab) forget() {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, network.ClearBrowserCache, struct{}{})
	p.do(err)
}

// loads are several of one page.
type loads []load

// several measures a page a number of times.
func (p *tab) several(times int, path string) (all loads) {
	p.t.Helper()
	for range times {
		all = append(all, p.measure(path))
	}
	return all
}

// at returns, of each figure by itself, the one that comes so far in their order.
func (all loads) at(place int) load {
	return load{
		server: ranked(all, place, func(l load) time.Duration { return l.server }),
		whole:  ranked(all, place, func(l load) time.Duration { return l.whole }),
		paint:  ranked(all, place, func(l load) time.Duration { return l.paint }),
		bytes:  ranked(all, place, func(l load) int { return l.bytes }),
	}
}

func (all loads) median() load { return all.at(len(all) / 2) }
func (all loads) best() load   { return all.at(0) }

func ranked[T int | time.Duration](all loads, place int, of func(load) T) T {
	values := make([]T, 0, len(all))
	for _, l := range all {
		values = append(values, of(l))
	}
	slices.Sort(values)
	return values[place]
}

// short is a duration to a tenth of a millisecond.
func short(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// ownPaint is how long the browser alone takes for a page of one sentence on a
// machine on which the console keeps its promises.
const ownPaint = 50 * time.Millisecond

// atThisPace stretches a promise for a machine that is slower, or busier, as what
// the browser alone takes on it tells.
func atThisPace(promise, own time.Duration) time.Duration {
	return time.Duration(float64(promise) * max(1, float64(own)/float64(ownPaint)))
}
