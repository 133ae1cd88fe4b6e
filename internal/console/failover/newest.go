package failover

import (
	"context"
	"sync"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// newest reads the newest events of some kinds.
type newest struct {
	history api.Overview
	filter  api.HistoryFilter

	mu     sync.Mutex
	taken  time.Time
	events []pair.Event
}

func events(history api.Overview, limit int, kinds []string) *newest {
	return &newest{history: history, filter: api.HistoryFilter{Kinds: kinds, Limit: limit}}
}

// read returns them as they are now, oldest first.
func (n *newest) read(ctx context.Context) ([]pair.Event, error) {
	return n.history.History(ctx, n.filter)
}

// recent returns them as they were within the last moment: one reading serves all open
// pages, which ask again and again.
func (n *newest) recent(ctx context.Context) ([]pair.Event, error) {
	const moment = 700 * time.Millisecond
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Since(n.taken) < moment {
		return n.events, nil
	}
	events, err := n.read(ctx)
	if err != nil {
		return nil, err
	}
	n.events, n.taken = events, time.Now()
	return events, nil
}
