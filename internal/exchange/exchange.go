package exchange

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"baton/internal/act"
	"baton/internal/failover"
	"baton/internal/inforce"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/status"
	"baton/internal/store"
)

// Exchange keeps the two appliances told of one another: events, settings, documents of
// the site, and how each is. The backup asks; the primary answers.
type Exchange struct {
	Agent     act.Agent
	Link      act.Link
	Store     *store.Site
	Settings  *inforce.Settings
	Overview  *status.Overview
	Enforce   func(*failover.Config) // has everything go by the settings in force
	Documents func(context.Context)  // brings into force what the site database says of documents
	Full      func() bool            // too little room is left on the disk
	Outdated  chan struct{}          // the primary tells of other settings than those in force
	Log       *slog.Logger

	refused atomic.Pointer[string] // settings of the primary that this backup refuses, and why; nil: none
}

// All asks until neither side lacks anything, or something fails; then
// the next tick tries again.
func (x *Exchange) All(ctx context.Context) {
	const rounds = 100
	const limit = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	theirs := map[pair.ApplianceID]int64(nil)
	for range rounds {
		question, err := x.offer(ctx, theirs)
		if err != nil {
			return
		}
		question.Held = x.heldDocuments(ctx)
		answer, err := peer.Call[wire.Exchange, wire.Exchange](ctx, x.Link.Bulk(), wire.PathExchange, question)
		if err != nil {
			return // the peer is away; polls tell of that
		}
		merged, err := x.merge(ctx, answer.Events)
		if err != nil {
			x.Log.Error("events of the peer not merged", slog.String("error", err.Error()))
			return
		}
		x.adopt(ctx, answer)
		x.takeDocuments(ctx, answer.Documents)
		taken := theirs == nil || !maps.Equal(theirs, answer.Heads) // of ours, by the peer
		theirs = answer.Heads
		mine, err := x.Store.History.Heads(ctx)
		if err != nil || merged == 0 && (covers(theirs, mine) || !taken) {
			return
		}
	}
}

// offer says what we have, and brings what a peer with the heads lacks; nil
// heads: not known yet.
func (x *Exchange) offer(ctx context.Context, heads map[pair.ApplianceID]int64) (wire.Exchange, error) {
	mine, err := x.Store.History.Heads(ctx)
	if err != nil {
		return wire.Exchange{}, err
	}
	var events []pair.Event
	if heads != nil {
		if events, err = x.Store.History.After(ctx, heads, wire.ExchangeEvents); err != nil {
			return wire.Exchange{}, err
		}
		events = fitting(events, wire.MaxSize/2)
	}
	return wire.Exchange{Heads: mine, Events: events}, nil
}

// fitting returns the first events, as many as fit into so many bytes of a
// message; the next exchange brings more.
func fitting(events []pair.Event, bytes int) []pair.Event {
	for i, event := range events {
		text, err := json.Marshal(event)
		bytes -= len(text) + 1
		if err != nil || bytes < 0 {
			return events[:max(i, 1)]
		}
	}
	return events
}

// merge takes the events of the peer that are not here, and returns how many those
// were. While the disk is nearly full it takes none: what is left is for what happens
// here, and the peer keeps its own.
func (x *Exchange) merge(ctx context.Context, events []pair.Event) (merged int, err error) {
	if x.Full() {
		return 0, nil
	}
	if merged, err = x.Store.History.Merge(ctx, events); merged > 0 {
		x.ReadNames(ctx)
	}
	return merged, err
}

// Answer answers the peer's exchange.
func (x *Exchange) Answer(ctx context.Context, question wire.Exchange) (wire.Exchange, error) {
	if _, err := x.merge(ctx, question.Events); err != nil {
		return wire.Exchange{}, err
	}
	heads := question.Heads
	if heads == nil {
		heads = map[pair.ApplianceID]int64{}
	}
	answer, err := x.offer(ctx, heads)
	if err == nil && x.Agent.Decision().State.Record.Role == pair.Primary {
		now, version := x.Settings.Versioned()
		answer.Settings, answer.SettingsVersion = pair.Texts(now), version
		answer.Documents = x.otherDocuments(ctx, question.Held)
	}
	return answer, err
}

func covers(has, wanted map[pair.ApplianceID]int64) bool {
	for id, head := range wanted {
		if has[id] < head {
			return false
		}
	}
	return true
}
