package datasync

import (
	"context"
	"io"
	"time"

	"golang.org/x/time/rate"

	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// limiter is the one token bucket of the link. Both sides have one; the slower
// rules.
type limiter struct{ bucket *rate.Limiter }

func newLimiter() *limiter { return &limiter{bucket: rate.NewLimiter(rate.Inf, chunk)} }

// set changes the limit, also while something waits for it. The bucket holds
// 62 ms of the rate, to make up for what a late timer slept over; streams begin
// with it empty, so that on average the limit is never exceeded.
func (l *limiter) set(r pair.Rate) {
	if r <= 0 {
		l.bucket.SetLimit(rate.Inf)
		l.bucket.SetBurst(chunk)
		return
	}
	l.bucket.SetBurst(int(min(max(r/16, 64), chunk)))
	l.bucket.SetLimit(rate.Limit(r))
}

// drain empties the bucket: a stream does not begin with what gathered while
// nothing was sent.
func (l *limiter) drain() {
	if now := time.Now(); l.bucket.Limit() != rate.Inf {
		l.bucket.AllowN(now, int(max(l.bucket.TokensAt(now), 0)))
	}
}

// slow reports whether the limit makes compression pay.
func (l *limiter) slow() bool { return l.bucket.Limit() < packBelow }

// take waits until some of n bytes may pass and returns how many.
func (l *limiter) take(ctx context.Context, n int) (int, error) {
	for {
		if l.bucket.Limit() == rate.Inf {
			return n, ctx.Err()
		}
		part := min(n, max(l.bucket.Burst(), 1))
		r := l.bucket.ReserveN(time.Now(), part)
		if !r.OK() { // the limit was changed between the two lines above
			continue
		}
		return part, sleep(ctx, r.Delay())
	}
}

func sleep(ctx context.Context, d time.Duration) error {
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

// limitedWriter passes bytes on at the limiter's pace.
type limitedWriter struct {
	ctx   context.Context //nolint:containedctx // lives for one stream
	paced context.Context //nolint:containedctx // once over, what is left passes at once
	w     io.Writer
	limit *limiter
	// before runs before each write, to move the connection's deadline.
	before func()
}

func (w *limitedWriter) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := w.limit.take(w.paced, len(b)-done)
		if err != nil {
			n = len(b) - done
		}
		if err := w.ctx.Err(); err != nil {
			return done, err
		}
		w.before()
		n, err = w.w.Write(b[done : done+n])
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// limitedReader takes bytes at the limiter's pace and gives up on a peer that
// sends nothing for too long.
type limitedReader struct {
	ctx    context.Context //nolint:containedctx // lives for one stream
	cancel context.CancelCauseFunc
	r      io.Reader
	limit  *limiter
	idle   time.Duration
	seen   func(n int)
}

func (r *limitedReader) Read(b []byte) (int, error) {
	watchdog := time.AfterFunc(r.idle, func() {
		r.cancel(source.Sentence(ErrStalled, "The peer sent nothing for %s: check the connection; the next sync goes on where this one stopped.", r.idle))
	})
	n, err := r.r.Read(b[:min(len(b), max(r.limit.bucket.Burst(), 512))])
	watchdog.Stop()
	r.seen(n)
	for left := n; left > 0; {
		part, waitErr := r.limit.take(r.ctx, left)
		if waitErr != nil {
			return 0, context.Cause(r.ctx)
		}
		left -= part
	}
	if err != nil && r.ctx.Err() != nil {
		err = context.Cause(r.ctx)
	}
	return n, err
}
