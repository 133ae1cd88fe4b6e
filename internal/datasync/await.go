package datasync

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

// This file is how a backup hears at once that something changed on the primary, and that nothing did: both
// without a scan.

// Awaited is what came of waiting for a change.
type Awaited struct {
	Follows  bool          // the primary can tell; else only a pull finds out
	Same     bool          // nothing has changed
	Snapshot pair.Snapshot // the newest one here, taken at the moment as of which nothing has changed
}

// Await waits until something may be other on the primary than in the newest snapshot here, at most for a while.
func (e *Engine) Await(ctx context.Context, from *http.Client, base string, epoch pair.Epoch, wait time.Duration) (Awaited, error) {
	client := wire.Asking(from)
	client.Timeout = wait + e.opt.Idle
	body, err := json.Marshal(wire.Watch{Epoch: epoch, Snapshot: e.Snapshot(), WaitMS: wait.Milliseconds()})
	if err != nil {
		return Awaited{}, fmt.Errorf("write request: %w", err)
	}
	p := &pull{engine: e, client: client, base: strings.TrimSuffix(base, "/") + wire.Prefix}
	answer, err := p.do(ctx, "changes", body)
	if err != nil {
		return Awaited{}, err
	}
	defer func() { _ = answer.Close() }()
	var told wire.Watched
	if err := json.NewDecoder(io.LimitReader(answer, wire.MaxRequest)).Decode(&told); err != nil {
		return Awaited{}, wire.Unsafe("an answer that cannot be read")
	}
	awaited := Awaited{Follows: told.Follows, Same: told.Same && told.Follows}
	if awaited.Same {
		e.ledger.Fresh(e.Snapshot(), told.TakenAt)
		awaited.Snapshot = e.Snapshot()
	}
	return awaited, nil
}
