package act

import (
	"context"
	"net/http"
	"time"

	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
)

// Agent is the loop, as acts and exchanges need it; *agent.Agent is one.
//
// It has more than 8 methods since the loop is asked, told and watched through it alone.
type Agent interface {
	Decision() agent.Decision
	Changed() <-chan struct{}
	Conditions() []pair.Condition
	Refresh()
	Do(ctx context.Context, command failover.Event) error
	Tell(event failover.Event)
	Configure(change func(*failover.Config))
	HandOver(ctx context.Context, final bool) error
	SyncNow(ctx context.Context, acceptShrink bool) error
	CancelSync() bool
	SyncBegan() time.Time
	NextSync() time.Time
}

// Link is the link to the peer, as acts and exchanges need it; *peer.Link is one.
type Link interface {
	Paired() (peer.Pinned, bool)
	Contact() (peer.Contact, bool)
	Control() *http.Client
	Bulk() *http.Client
	KeyState() peer.KeyState
	SetKey(ctx context.Context, text string) (peer.Key, error)
	EndPreviousKey(ctx context.Context) error
}

// Pairing begins and ends the relationship with a peer; *peer.Pairing does.
type Pairing interface {
	Inspect(ctx context.Context, address string, request peer.PairRequest) (peer.Inspection, error)
	Pair(ctx context.Context, address string, request peer.PairRequest) (peer.Pinned, error)
	Unpair(ctx context.Context) error
	UnpairForced(ctx context.Context) error
}
