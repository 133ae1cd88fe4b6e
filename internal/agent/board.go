package agent

import (
	"slices"
	"sync"
	"time"

	"baton/internal/pair"
	"baton/internal/pair/cleared"
)

// board keeps the open conditions, since when each is open, and writes into the
// history when one comes or goes.
type board struct {
	history History
	wall    func() time.Time

	mu   sync.Mutex
	open []pair.Condition
}

func newBoard(history History, wall func() time.Time) *board {
	return &board{history: history, wall: wall}
}

// update takes the conditions that hold now, and reports whether that changed
// anything.
func (b *board) update(now []pair.Condition) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := false
	for i, condition := range now {
		if at := b.index(condition.ID); at >= 0 {
			now[i].Since = b.open[at].Since
			continue
		}
		changed = true
		now[i].Since = b.wall()
		b.record(pair.KindConditionRaised, condition, condition.Text)
	}
	for _, gone := range b.open {
		if !slices.ContainsFunc(now, func(c pair.Condition) bool { return c.ID == gone.ID }) {
			changed = true
			b.record(pair.KindConditionCleared, gone, cleared.Text(gone.ID))
		}
	}
	b.open = now
	return changed
}

func (b *board) record(kind string, condition pair.Condition, text string) {
	b.history.Record(pair.Event{Kind: kind, Text: text, Detail: map[string]string{
		"condition": condition.ID, "severity": string(condition.Severity), "next_step": condition.NextStep,
	}})
}

func (b *board) index(id string) int {
	return slices.IndexFunc(b.open, func(c pair.Condition) bool { return c.ID == id })
}

func (b *board) list() []pair.Condition {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.open)
}
