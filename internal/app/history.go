package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"baton/internal/pair"
	"baton/internal/store"
)

// history writes events into the site database, in order, in the
// background: a slow or full disk delays no other part of the daemon. What cannot be written yet is
// kept and tried again; what the database refuses goes into the log.
type history struct {
	site *store.Site
	log  *slog.Logger
	wake chan struct{}
	// written, if any, is called after something was written; it must not wait.
	written func()

	mu      sync.Mutex
	waiting []pair.Event
}

// mostWaiting bounds what is kept while the disk takes nothing.
const mostWaiting = 10_000

func newHistory(site *store.Site, log *slog.Logger) *history {
	return &history{site: site, log: log, wake: make(chan struct{}, 1)}
}

// Record keeps an event; its time is now.
func (h *history) Record(event pair.Event) {
	if event.Time.IsZero() {
		event.Time = time.Now()
	}
	h.mu.Lock()
	if len(h.waiting) < mostWaiting {
		h.waiting = append(h.waiting, event)
	} else {
		h.log.Error("event dropped, the site database takes none", slog.String("kind", event.Kind), slog.String("text", event.Text))
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *history) run(ctx context.Context) error {
	const again = time.Second
	retry := time.NewTimer(again)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
		case <-retry.C:
		}
		if !h.flush(ctx) {
			retry.Reset(again)
		}
	}
}

// finish writes the last event, and what waits, when nothing else is recorded any more.
func (h *history) finish(ctx context.Context, last pair.Event) {
	const patience = 2 * time.Second
	h.Record(last)
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	h.flush(limited)
}

// flush writes what waits, and reports whether all of it is written.
func (h *history) flush(ctx context.Context) bool {
	for {
		event, some := h.first()
		if !some {
			return true
		}
		_, err := h.site.History.Append(ctx, event)
		refused := err != nil && pair.CodeOf(err) == pair.Refused // for good, whatever the disk does
		switch {
		case errors.Is(err, context.Canceled): // the daemon stops, and finish goes on
			return false
		case refused:
			h.log.Error("event dropped, the site database refuses it", slog.String("error", err.Error()), slog.String("kind", event.Kind), slog.String("text", event.Text))
		case err != nil:
			h.log.Error("event not written yet", slog.String("error", err.Error()))
			return false
		}
		h.mu.Lock()
		h.waiting = h.waiting[1:]
		h.mu.Unlock()
		if h.written != nil && !refused {
			h.written()
		}
	}
}

func (h *history) first() (pair.Event, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) == 0 {
		return pair.Event{}, false
	}
	return h.waiting[0], true
}
