package failover

import (
	"context"
	"sync"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// newestEvents reads the newest events of some kinds.
type newestEvents struct {
	history api.Overview
	filter  api.HistoryFilter

	mu     sync.Mutex
	readAt time.Time
	events []pair.Event
}

func newNewestEvents(history api.Overview, limit int, kinds []string) *newestEvents {
	return &newestEvents{history: history, filter: api.HistoryFilter{Kinds: kinds, Limit: limit}}
}

// read returns them as they are now, oldest first.
func (n *newestEvents) read(ctx context.Context) ([]pair.Event, error) {
	return n.history.History(ctx, n.filter)
}

// recent returns them as they were less than a second ago: all open pages ask again and
// again, and share one reading.
func (n *newestEvents) recent(ctx context.Context) ([]pair.Event, error) {
	const lasting = 700 * time.Millisecond
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.readAt) < lasting {
		return n.events, nil
	}
	events, err := n.read(ctx)
	if err != nil {
		return nil, err
	}
	n.events, n.readAt = events, time.Now()
	return events, nil
}
