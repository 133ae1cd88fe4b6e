// Package progress counts what a data sync does while it runs, and tells where it stands.
package progress

import (
	"sync"
	"time"

	"baton/internal/cause"
)

// Progress is the running or last data sync. It outlives the request that
// started it.
type Progress struct {
	Number     uint64 // of the snapshot being made or last made
	Running    bool
	Applying   bool  // past the point of no return: renames only
	BytesDone  int64 // of BytesTotal: file content staged
	BytesTotal int64
	FilesDone  int64
	FilesTotal int64
	Received   int64         // bytes that came over the link
	Speed      int64         // bytes per second over the link, lately
	Left       time.Duration // estimate; 0: unknown
	Error      string        // one sentence; empty unless the last sync failed
	Failing    string        // the newest failure since a sync succeeded, one sentence; also while it is tried again
	Started    time.Time
	Ended      time.Time // zero while running
}

// Tracker counts what happens. Its methods may be called at once.
type Tracker struct {
	mu    sync.Mutex
	p     Progress
	marks [speedMarks]mark // of the last seconds, round
	next  int
}

type mark struct {
	at    time.Time
	bytes int64
}

const (
	speedMarks = 16
	markEvery  = 250 * time.Millisecond
)

// Begin begins a data sync.
func (t *Tracker) Begin(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p = Progress{Running: true, Started: now, Failing: t.p.Failing}
	t.marks = [speedMarks]mark{{at: now}}
	t.next = 1
}

// Update changes what is counted.
func (t *Tracker) Update(change func(*Progress)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.p)
}

// Received counts bytes that came over the link.
func (t *Tracker) Received(now time.Time, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p.Received += int64(n)
	last := t.marks[(t.next+speedMarks-1)%speedMarks]
	if now.Sub(last.at) >= markEvery {
		t.marks[t.next%speedMarks] = mark{now, t.p.Received}
		t.next++
	}
}

// End ends the data sync, which has succeeded.
func (t *Tracker) End(now time.Time) {
	t.Stop(now, nil)
	t.Forget()
}

// Stop ends the data sync, which has neither failed nor succeeded.
func (t *Tracker) Stop(now time.Time, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p.Running, t.p.Applying, t.p.Ended = false, false, now
	if why != nil {
		t.p.Error = cause.Of(why)
	}
}

// Fail ends the data sync, which has failed.
func (t *Tracker) Fail(now time.Time, why error) {
	t.Stop(now, why)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p.Failing = t.p.Error
}

// Forget ends what failed: a data sync has succeeded, or this appliance is no backup any more.
func (t *Tracker) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p.Failing = ""
}

// Get returns where the running or last data sync stands.
func (t *Tracker) Get(now time.Time) Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.p
	if !p.Running {
		return p
	}
	oldest := t.marks[0]
	if t.next > speedMarks {
		oldest = t.marks[t.next%speedMarks]
	}
	if span := now.Sub(oldest.at); span > 0 {
		p.Speed = int64(float64(p.Received-oldest.bytes) / span.Seconds())
	}
	if p.Speed > 0 && p.BytesTotal > p.BytesDone {
		p.Left = time.Duration(float64(p.BytesTotal-p.BytesDone) / float64(p.Speed) * float64(time.Second))
	}
	return p
}
