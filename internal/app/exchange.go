package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"time"

	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
)

// renewEvery is how often the site's certificate is looked at.
const renewEvery = time.Minute

// upkeep does what is to be done now and then: it merges the histories of both
// appliances while they reach each other, looks at the room in data_dir, ends a maintenance in time, gives unused
// memory back, and renews the site's certificate if it was made here.
func (a *Appliance) upkeep(ctx context.Context) error {
	const often = 3 * time.Second
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	renewals := time.NewTicker(renewEvery)
	defer renewals.Stop()
	unused := &memory{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-renewals.C:
			if err := a.backend.renewCertificate(ctx, now); err != nil {
				a.log.Error("the site's certificate is not renewed", slog.String("error", err.Error()))
			}
			continue
		case <-a.outdated:
		case <-ticker.C:
		}
		a.mend(ctx)
		if a.agent.Look().State.Record.Role == pair.Backup {
			a.exchangeAll(ctx)
		}
		a.room.Look()
		a.backend.upkeep.EndOverdue(ctx)
		unused.tidy()
	}
}

// exchangeAll asks until neither side lacks anything, or something fails; then
// the next tick tries again.
func (a *Appliance) exchangeAll(ctx context.Context) {
	const rounds = 100
	const limit = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	theirs := map[pair.ApplianceID]int64(nil)
	for range rounds {
		question, err := a.offer(ctx, theirs)
		if err != nil {
			return
		}
		question.Held = a.heldDocuments(ctx)
		answer, err := peer.Call[wire.Exchange, wire.Exchange](ctx, a.link.Bulk(), wire.PathExchange, question)
		if err != nil {
			return // the peer is away; polls tell of that
		}
		merged, err := a.merge(ctx, answer.Events)
		if err != nil {
			a.log.Error("events of the peer not merged", slog.String("error", err.Error()))
			return
		}
		a.learn(ctx, answer)
		a.takeDocuments(ctx, answer.Documents)
		taken := theirs == nil || !maps.Equal(theirs, answer.Heads) // of ours, by the peer
		theirs = answer.Heads
		mine, err := a.site.Heads(ctx)
		if err != nil || merged == 0 && (covers(theirs, mine) || !taken) {
			return
		}
	}
}

// offer says what we have, and brings what a peer with the heads lacks; nil
// heads: not known yet.
func (a *Appliance) offer(ctx context.Context, heads map[pair.ApplianceID]int64) (wire.Exchange, error) {
	mine, err := a.site.Heads(ctx)
	if err != nil {
		return wire.Exchange{}, err
	}
	var events []pair.Event
	if heads != nil {
		if events, err = a.site.EventsAfter(ctx, heads, wire.ExchangeEvents); err != nil {
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
func (a *Appliance) merge(ctx context.Context, events []pair.Event) (merged int, err error) {
	if a.full() {
		return 0, nil
	}
	if merged, err = a.site.Merge(ctx, events); merged > 0 {
		a.learnNames(ctx)
	}
	return merged, err
}

// exchanged answers the peer's exchange.
func (a *Appliance) exchanged(ctx context.Context, question wire.Exchange) (wire.Exchange, error) {
	if _, err := a.merge(ctx, question.Events); err != nil {
		return wire.Exchange{}, err
	}
	heads := question.Heads
	if heads == nil {
		heads = map[pair.ApplianceID]int64{}
	}
	answer, err := a.offer(ctx, heads)
	if err == nil && a.agent.Look().State.Record.Role == pair.Primary {
		now, version := a.settings.Versioned()
		answer.Settings, answer.SettingsVersion = pair.Texts(now), version
		answer.Documents = a.otherDocuments(ctx, question.Held)
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
