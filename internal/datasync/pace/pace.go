// Package pace holds a data sync to its bandwidth limit: one token bucket for the whole
// link, whose rate may change while something waits for it.
package pace

import (
	"context"
	"io"
	"time"

	"golang.org/x/time/rate"

	"baton/internal/pair"
)

// Limiter is the one token bucket of the link. Both sides have one; the slower
// rules.
type Limiter struct{ bucket *rate.Limiter }

// burst is how many bytes pass at once while there is no limit.
const burst = 256 << 10

// packBelow is the rate, in bytes per second, below which compression pays: zstd's
// fastest level makes 0.1 GB/s of text on one core.
const packBelow = 40e6

// New returns a limiter without a limit.
func New() *Limiter { return &Limiter{bucket: rate.NewLimiter(rate.Inf, burst)} }

// Set changes the limit, also while something waits for it. The bucket holds
// 62 ms of the rate, to make up for what a late timer slept over; streams begin
// with it empty, so that on average the limit is never exceeded.
func (l *Limiter) Set(r pair.Rate) {
	if r <= 0 {
		l.bucket.SetLimit(rate.Inf)
		l.bucket.SetBurst(burst)
		return
	}
	l.bucket.SetBurst(int(min(max(r/16, 64), burst)))
	l.bucket.SetLimit(rate.Limit(r))
}

// Drain empties the bucket: a stream does not begin with what gathered while
// nothing was sent.
func (l *Limiter) Drain() {
	if now := time.Now(); l.bucket.Limit() != rate.Inf {
		l.bucket.AllowN(now, int(max(l.bucket.TokensAt(now), 0)))
	}
}

// Slow reports whether the limit makes compression pay.
func (l *Limiter) Slow() bool { return l.bucket.Limit() < packBelow }

// take waits until some of n bytes may pass and returns how many.
func (l *Limiter) take(ctx context.Context, n int) (int, error) {
	for {
		if l.bucket.Limit() == rate.Inf {
			return n, ctx.Err()
		}
		part := min(n, max(l.bucket.Burst(), 1))
		r := l.bucket.ReserveN(time.Now(), part)
		if !r.OK() { // the limit was changed between the two lines above
			continue
		}
		return part, Sleep(ctx, r.Delay())
	}
}

// Sleep waits, or until the context is over.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// Writer passes bytes on at the limiter's pace.
type Writer struct {
	Context context.Context //nolint:containedctx // lives for one stream
	Paced   context.Context //nolint:containedctx // once over, what is left passes at once
	To      io.Writer
	Limit   *Limiter
	// Before runs before each write, to move the connection's deadline.
	Before func()
}

// Write implements io.Writer.
func (w *Writer) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := w.Limit.take(w.Paced, len(b)-done)
		if err != nil {
			n = len(b) - done
		}
		if err := w.Context.Err(); err != nil {
			return done, err
		}
		w.Before()
		n, err = w.To.Write(b[done : done+n])
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// Stream is what is read from a source at the limiter's pace, to be sent over the link. It ends with the context.
func (l *Limiter) Stream(ctx context.Context, from io.Reader) io.Reader { return &stream{ctx, from, l} }

type stream struct {
	ctx   context.Context //nolint:containedctx // lives for one stream
	from  io.Reader
	limit *Limiter
}

// Read implements io.Reader.
func (s *stream) Read(b []byte) (int, error) {
	n, err := s.from.Read(b[:min(len(b), max(s.limit.bucket.Burst(), 512))])
	for left := n; left > 0; {
		part, waitErr := s.limit.take(s.ctx, left)
		if waitErr != nil {
			return 0, context.Cause(s.ctx)
		}
		left -= part
	}
	return n, err
}

// Reader takes bytes at the limiter's pace, and tells of a peer that sends nothing.
type Reader struct {
	Context context.Context //nolint:containedctx // lives for one stream
	From    io.Reader
	Limit   *Limiter
	Idle    time.Duration
	Silent  func()      // nothing came for Idle; it is to end the context
	Seen    func(n int) // so many bytes came
}

// Read implements io.Reader.
func (r *Reader) Read(b []byte) (int, error) {
	watchdog := time.AfterFunc(r.Idle, r.Silent)
	n, err := r.From.Read(b[:min(len(b), max(r.Limit.bucket.Burst(), 512))])
	watchdog.Stop()
	r.Seen(n)
	for left := n; left > 0; {
		part, waitErr := r.Limit.take(r.Context, left)
		if waitErr != nil {
			return 0, context.Cause(r.Context)
		}
		left -= part
	}
	if err != nil && r.Context.Err() != nil {
		err = context.Cause(r.Context)
	}
	return n, err
}
