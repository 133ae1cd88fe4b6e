package datasync

import (
	"context"
	"errors"
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

// Progress returns where the running or last data sync stands.
func (e *Engine) Progress() Progress { return e.progress.get(e.opt.Now()) }

// tracker counts what happens and tells Progress.
type tracker struct {
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

func (t *tracker) begin(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p = Progress{Running: true, Started: now, Failing: t.p.Failing}
	t.marks = [speedMarks]mark{{at: now}}
	t.next = 1
}

func (t *tracker) update(change func(*Progress)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.p)
}

func (t *tracker) received(now time.Time, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p.Received += int64(n)
	last := t.marks[(t.next+speedMarks-1)%speedMarks]
	if now.Sub(last.at) >= markEvery {
		t.marks[t.next%speedMarks] = mark{now, t.p.Received}
		t.next++
	}
}

func (t *tracker) end(now time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p.Running, t.p.Applying, t.p.Ended = false, false, now
	switch {
	case err == nil:
		t.p.Failing = ""
	case errors.Is(err, context.Canceled), errors.Is(err, ErrNotPrimary): // neither has failed, nor has it succeeded
		t.p.Error = cause.Of(err)
	default:
		t.p.Error = cause.Of(err)
		t.p.Failing = t.p.Error
	}
}

// forget ends what failed as a backup: this appliance is none any more.
func (t *tracker) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.p.Failing = ""
}

func (t *tracker) fail(now time.Time, err error) {
	t.begin(now)
	t.end(now, err)
}

func (t *tracker) get(now time.Time) Progress {
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
